"""`python -m chesscoach.jobs.cleanup`."""

from chesscoach.jobs.cleanup import JOB
from chesscoach.runner.command import main

if __name__ == "__main__":
    main(JOB)
