"""How it is run: plans, supervision, load users. Never summarises."""
