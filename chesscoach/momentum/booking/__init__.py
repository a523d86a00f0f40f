"""Booking: from evidence to awards, from awards to counters, streaks and achievements."""
