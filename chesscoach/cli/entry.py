"""The entry point of `chesscoach`: `healthcheck` starts without the imports of other commands."""

import sys

from chesscoach import startup
from chesscoach.arguments import refuse_unreadable_arguments


def main() -> None:
    """Runs the command that the arguments name."""
    startup.end_at_signals()
    startup.escape_unprintable_output()
    refuse_unreadable_arguments()
    if sys.argv[1:2] == ["healthcheck"]:
        from chesscoach.cli.healthcheck import healthcheck

        healthcheck.main(sys.argv[2:], prog_name="chesscoach healthcheck")  # ends by sys.exit
    from chesscoach.cli.main import main as command

    command.main(prog_name="chesscoach")
