"""`python -m chesscoach.jobs.sync_games`."""

from chesscoach.jobs.sync_games import JOB
from chesscoach.runner.command import main

if __name__ == "__main__":
    main(JOB)
