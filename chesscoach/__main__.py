"""`python -m chesscoach`: the daemon."""

from chesscoach import startup
from chesscoach.arguments import refuse_unreadable_arguments

if __name__ == "__main__":
    startup.end_at_signals(exit_code=0)
    startup.escape_unprintable_output()
    refuse_unreadable_arguments()

    from chesscoach.daemon import main

    main(prog_name="python -m chesscoach")
