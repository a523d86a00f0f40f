"""When jobs run: the alarm, what is due, the list of jobs, and a watch on it all."""
