"""What trials measured, and which findings they concern."""
