"""A run that sends the weekly email: audience, composition, sending."""
