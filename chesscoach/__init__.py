"""The background worker of a chess-coaching application."""

import sys

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"]:  # `python -m` is importing the package to run a module of it
    from chesscoach import startup

    startup.end_at_signals()
