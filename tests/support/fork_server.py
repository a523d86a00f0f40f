"""Forks processes of our commands from one that has imported what they need already.

Starting Python and importing what a command needs takes a second of a core, and the suite starts
some hundred commands. A forked process is like a new one: it has a PID, arguments, an
environment, a working directory, stdout and stderr of its own, and ends as it would by itself.
Importing our modules has no effect beside handlers of signals, which are set again.

`python -W error -m tests.support.fork_server FD` serves a socket: each request is a length, a JSON
object and three descriptors (stdout, stderr and a socket for the status). The status is two lines,
the PID and the exit code. A process is killed when the other end of its status is closed.
"""

import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time

from msgspec import Struct

LIBRARIES = (
    *("aiohttp.web", "aiocron", "click", "cronsim", "itsdangerous", "jinja2", "babel.dates"),
    *("css_inline", "dotenv", "motor.motor_asyncio", "pymongo", "prometheus_client", "rich.table"),
    *("rich.progress", "sendgrid.helpers.mail", "sendgrid.helpers.eventwebhook", "structlog"),
    *("zoneinfo", "ssl", "webbrowser", "http.server"),
)
PROGRAM = ("chesscoach.daemon", "chesscoach.cli.main", "chesscoach.jobs.command")
LENGTH_BYTES = 4
_DESCRIPTORS = 3


class Request(Struct, frozen=True, kw_only=True):
    """The process that is wanted, and what it inherits."""

    args: list[str]
    environment: dict[str, str]
    folder: str
    descriptors: list[int]


class ForkServer:
    """Forks a process for each request, and reports its end."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._statuses: dict[int, socket.socket] = {}
        self._woken, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> Request | None:
        """Returns its request in a process that was forked, and None in the server at its end."""
        self._waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno())
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._report_ends()
                elif key.fileobj is not self._control:
                    self._kill_abandoned(key.data)
                elif (request := _receive(self._control)) is None:
                    _kill(*self._statuses)
                    self._close()
                    return None
                elif self._fork(request):
                    return request

    def _fork(self, request: Request) -> bool:
        """Whether this is the new process."""
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._close()
            return True
        *inherited, status = request.descriptors
        for descriptor in inherited:
            os.close(descriptor)
        self._statuses[pid] = socket.socket(fileno=status)
        self._selector.register(self._statuses[pid], selectors.EVENT_READ, pid)
        _send(self._statuses[pid], pid)
        return False

    def _kill_abandoned(self, pid: int) -> None:
        """Kills a process to whose status nothing listens; one that has just been reaped is not."""
        if pid in self._statuses:
            self._selector.unregister(self._statuses[pid])
            _kill(pid)

    def _close(self) -> None:
        self._selector.close()
        for each in (self._control, self._woken, self._waker, *self._statuses.values()):
            each.close()

    def _report_ends(self) -> None:
        while self._statuses:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            status = self._statuses.pop(pid)
            if status in self._selector.get_map():
                self._selector.unregister(status)
            _send(status, os.waitstatus_to_exitcode(ended))
            status.close()


def become(request: Request) -> None:
    """Runs the module that was asked for, as `python -m` does."""
    stdout, stderr, _ = request.descriptors
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    encoding = request.environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.FileIO(descriptor, "w", closefd=False), encoding, errors, line_buffering=lines
        )
        for descriptor, errors, lines in ((1, "strict", False), (2, "backslashreplace", True))
    )
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    os.chdir(request.folder)
    path = request.environment.get("PYTHONPATH", "")
    sys.path[:1] = [request.folder, *filter(None, path.split(os.pathsep))]
    sys.argv = ["-m", *request.args[1:]]  # as Python has it while it imports the package
    importlib.reload(sys.modules["chesscoach"])  # it sets the handlers of signals
    name = request.args[0]
    if not hasattr(sys.modules.get(name), "__path__"):
        sys.modules.pop(name, None)  # else runpy warns that it is imported twice
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _receive(control: socket.socket) -> Request | None:
    data, descriptors, _, _ = socket.recv_fds(control, LENGTH_BYTES, _DESCRIPTORS)
    if not data:
        return None
    text = b""
    while len(text) < int.from_bytes(data):
        text += control.recv(int.from_bytes(data) - len(text))
    return Request(**json.loads(text), descriptors=descriptors)


def _send(status: socket.socket, number: int) -> None:
    try:
        status.sendall(b"%d\n" % number)
    except OSError:
        return  # the test has ended


def _kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    for name in (*LIBRARIES, *PROGRAM):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if (wanted := ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()) is not None:
        become(wanted)
