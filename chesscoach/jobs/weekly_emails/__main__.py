"""`python -m chesscoach.jobs.weekly_emails`."""

from chesscoach.jobs.weekly_emails import JOB
from chesscoach.runner.command import main

if __name__ == "__main__":
    main(JOB)
