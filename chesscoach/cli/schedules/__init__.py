"""The commands `chesscoach schedules …`."""
