"""How any job runs: claimed, leased, bounded in time, recorded, logged in one line."""
