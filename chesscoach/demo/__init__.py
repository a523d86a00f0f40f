"""Local stand-ins for Lichess and Chess.com, and a show of the main job on them.

Tests and benchmarks use the same stand-ins: real servers on loopback, faithful to what the sites
document and do, with faults on demand.
"""
