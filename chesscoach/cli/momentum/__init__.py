"""`chesscoach momentum`: boards and players, and what an operator can do about them."""
