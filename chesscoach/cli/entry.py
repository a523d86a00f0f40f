"""The `chesscoach` command: the other commands' imports take longer than `healthcheck`'s work."""

import sys


def main() -> None:
    """Runs it."""
    if sys.argv[1:2] == ["healthcheck"]:
        from chesscoach.cli.healthcheck import healthcheck

        healthcheck.main(sys.argv[2:], prog_name="chesscoach healthcheck")  # leaves by sys.exit
    from chesscoach.cli.main import main as command

    command.main(prog_name="chesscoach")
