"""`chesscoach progress`, `recommendations`, `routines` and `sessions`: how players train."""
