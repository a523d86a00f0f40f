"""Training: daily snapshots of a player's form, weekly recommendations and recurring sessions."""
