"""The user's own service: started with the probe inside, and asked."""
