"""What the server does to requests and workers."""
