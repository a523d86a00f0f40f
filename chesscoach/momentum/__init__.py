"""Momentum: points, streaks, levels, perfect periods and leaderboards; backups and repairs."""
