"""Momentum: points, streaks, levels, perfect periods and leaderboards, and what mends them."""
