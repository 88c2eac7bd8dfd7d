"""The live view of a running cell, read from its files without a request to the server."""
