"""Recurring training sessions: routines, when they recur, and what became of each session."""
