"""`python -m chesscoach`: the daemon."""

from chesscoach.arguments import refuse_unreadable_arguments
from chesscoach.daemon import main

if __name__ == "__main__":
    refuse_unreadable_arguments()
    main(prog_name="python -m chesscoach")
