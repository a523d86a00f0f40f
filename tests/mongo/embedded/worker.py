"""A user of the embedded server, for tests to start, watch and kill.

It enters, writes one document after the other with majority, and leaves on SIGTERM. It prints
`here`, `in`, `ack ID` for each acknowledged write, and `out`.

Usage: python -m tests.mongo.embedded.worker FOLDER NAME [children]
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chesscoach.mongo.embedded import EmbeddedServer, EmbeddedServerRestarter


def _print_line(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # unbuffered, so that a kill cannot take it back


def _spawn_children() -> None:
    """Starts two children that would keep our locks if they inherited them."""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    _print_line(f"child {child}")
    sleeper = subprocess.Popen(["/bin/sleep", "60"], close_fds=False)
    _print_line(f"child {sleeper.pid}")


def main() -> None:
    """See the module."""
    # Not an Event: its lock may be held by the very thread that the handler interrupts.
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
    _print_line("here")
    embedded = EmbeddedServer(Path(sys.argv[1]))
    uri = embedded.start_or_join()
    if "children" in sys.argv:
        _spawn_children()
    _print_line("in")
    with MongoClient[dict[str, str]](
        uri, w="majority", event_listeners=[EmbeddedServerRestarter(embedded)]
    ) as client:
        for number in itertools.count():
            time.sleep(0.01)
            if stops:
                break
            with contextlib.suppress(PyMongoError):  # not acknowledged, so no promise
                client.tests.acks.insert_one({"_id": f"{sys.argv[2]}-{number}"})
                _print_line(f"ack {sys.argv[2]}-{number}")
    embedded.leave()
    _print_line("out")


if __name__ == "__main__":
    main()
