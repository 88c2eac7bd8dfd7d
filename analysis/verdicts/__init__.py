"""What a cell says about its own trustworthiness: one file per verdict."""
