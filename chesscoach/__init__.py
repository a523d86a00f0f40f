"""The background worker of a chess-coaching application."""

__version__ = "0.1.0"
