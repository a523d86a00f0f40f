"""How any job runs: claimed, leased, bounded in time, recorded, told in one line and one code."""
