"""The collections of momentum: ledger, periods, streaks, and the application's progress."""
