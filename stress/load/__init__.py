"""The load: Locust in its own processes, or oha."""
