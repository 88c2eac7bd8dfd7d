"""What blocks an event loop, and why."""
