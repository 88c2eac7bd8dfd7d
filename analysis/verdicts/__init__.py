"""What a cell says about its own trustworthiness: one class per verdict."""
