"""A guided demo of the jobs, on sample data and fakes of Lichess and Chess.com.

Tests and benchmarks use the same fakes: real servers on loopback that follow the sources'
documentation and behaviour, with faults on demand.
"""
