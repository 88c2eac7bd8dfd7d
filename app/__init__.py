"""The specimen: a small FastAPI app whose endpoints differ in one word each."""
