"""What a cell looks like while it runs: read from its files, never asked of the server."""
