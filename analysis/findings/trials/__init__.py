"""The results of trials, and the findings that they test."""
