"""The worker's collections: runs, leases, schedules."""
