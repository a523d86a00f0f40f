"""How any job runs: claims, leases, schedules, attempts, records."""
