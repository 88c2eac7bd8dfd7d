"""A run's answer to its question, in a few comparing sentences: one class per kind."""
