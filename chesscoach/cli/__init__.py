"""The `chesscoach` command: one module for each noun."""
