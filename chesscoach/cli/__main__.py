"""`python -m chesscoach.cli`: the `chesscoach` command."""

from chesscoach.cli.entry import main

if __name__ == "__main__":
    main()
