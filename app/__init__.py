"""The specimen: a small FastAPI app whose endpoints differ in only a few words."""
