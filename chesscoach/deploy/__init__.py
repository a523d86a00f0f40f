"""The configured schedules as files for Kubernetes, systemd and cron."""
