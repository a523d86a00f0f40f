"""`python -m chesscoach`: the daemon."""

from chesscoach.daemon import main

if __name__ == "__main__":
    main(prog_name="python -m chesscoach")
