"""The players, games and runs that benchmarks fill a database with."""
