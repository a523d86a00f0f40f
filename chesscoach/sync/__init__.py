"""Linked accounts and their games: who is due, what is fetched, what is stored."""
