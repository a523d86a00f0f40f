"""What a process does before it imports the rest of the program.

Importing takes half a second. Process 1 of a container ignores a signal without a handler. So a
container that is stopped in that time would run until it is killed. Nothing has begun then: the
process ends at once. `process.run_until_stopped` replaces the handlers.
"""

import io
import os
import signal
import sys
from types import FrameType


def end_at_signals(exit_code: int | None = None) -> None:
    """Makes SIGTERM and SIGINT end the process, with a code (default: 128 and the signal)."""

    def end(number: int, _: FrameType | None) -> None:
        os._exit(128 + number if exit_code is None else exit_code)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def escape_unprintable_output() -> None:
    """Prints a character that the encoding of the terminal lacks as its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
