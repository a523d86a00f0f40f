"""Pure: what follows from what. No input, no output, no clock."""
