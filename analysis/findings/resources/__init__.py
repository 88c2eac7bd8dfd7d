"""What requests make and leave, and what the process is given."""
