"""What middleware does to a request, and what follows its answer."""
