"""What people and probes see: two listeners, how we are, and what we count."""
