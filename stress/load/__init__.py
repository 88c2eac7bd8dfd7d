"""The load: Locust in processes of its own, or oha."""
