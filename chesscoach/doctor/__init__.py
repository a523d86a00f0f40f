"""Checks of an installation: one line each, with what is wrong and what to do about it."""
