"""What is wrong with this installation, and what to do about it: one line for each check."""
