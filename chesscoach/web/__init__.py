"""What people and probes see: two listeners, pages, the API, health and metrics."""
