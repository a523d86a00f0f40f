"""When jobs run: the wake-up timer, the schedules, due slots, recovery and explanations."""
