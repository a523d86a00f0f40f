"""Which games are worth an analysis."""

from chesscoach.sources.game import Game

ANALYSED_SPEEDS = frozenset({"rapid", "blitz", "classical", "daily", "correspondence"})
"""The time controls, in the sources' words. Bullet games say little about how a player thinks."""


def is_worth_analysing(game: Game, min_moves: int) -> bool:
    """Whether a game has the usual rules, an analysed speed, and enough full moves (at least 1)."""
    return game.standard and game.speed in ANALYSED_SPEEDS and game.plies >= 2 * max(min_moves, 1)
