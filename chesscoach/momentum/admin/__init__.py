"""What an operator can do about momentum: prepare, back up, reset, restore, recompute."""
