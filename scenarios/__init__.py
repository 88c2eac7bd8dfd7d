"""What is asked: the typed scenario model and the catalogue. Pure data, no input or output."""
