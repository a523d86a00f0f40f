"""`chesscoach routines` and `sessions`: what players train again and again, and each occurrence."""
