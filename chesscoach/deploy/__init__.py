"""WHO WAKES US: the schedules of the configuration as Kubernetes, systemd and cron read them."""
