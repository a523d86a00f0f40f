"""Recommendations: what a player should do next, each with the evidence for it."""
