"""Alerts to operators, once per cause until it clears, and pings to a monitor."""
