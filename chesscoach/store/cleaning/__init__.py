"""Rows whose time is over: which they are, by named rules, and how they are taken away."""

from chesscoach.store.cleaning.cleaning import Cleaning, Page, Row
from chesscoach.store.cleaning.rules import Rule

__all__ = ["Cleaning", "Page", "Row", "Rule"]
