"""Rules about time: schedules, slots, ISO weeks, clock changes. Pure: no I/O, no clock."""
