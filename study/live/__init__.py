"""What a cell looks like while it runs: read from its files, with no request to the server."""
