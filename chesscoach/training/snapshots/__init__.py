"""Snapshots: a player's figures at the end of each local day."""
