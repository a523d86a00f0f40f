"""The weekly summary: its values, rules and content."""
