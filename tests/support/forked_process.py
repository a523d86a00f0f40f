"""A process that the fork server has forked, as asyncio shows its own."""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.support import fork_server


class Process:
    """A process of ours that runs, or has ended."""

    def __init__(self, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.pid = 0
        self.returncode: int | None = None
        self._end: asyncio.Task[None] | None = None

    async def watch(self, status: socket.socket) -> None:
        """Reads the PID, and goes on reading for the exit code."""
        reader, writer = await asyncio.open_connection(sock=status)
        self.pid = int(await reader.readline())
        self._end = asyncio.create_task(self._read_code(reader, writer), name=f"pid {self.pid}")

    async def _read_code(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.returncode = int(await reader.readline())
        finally:
            writer.close()

    async def wait(self) -> int:
        """Waits for its end; returns its exit code, or minus the signal that ended it."""
        assert self._end is not None
        await asyncio.shield(self._end)
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """Waits for its end; returns the rest of its stdout and stderr."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless the process has ended."""
        assert self.pid > 0, "0 would be this process's own group"
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)


class _Server:
    """The fork server of this test process; it ends with it."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", fork_server.__name__, str(theirs.fileno())],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()

    def stop(self) -> None:
        """Closes its socket, at which it kills what is left and ends."""
        self.control.close()
        self._process.wait()


@cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.stop)
    return server


_ONE_REQUEST_AT_A_TIME = threading.Lock()
"""Tests may start processes in several threads, and a request is sent in two pieces."""


async def fork(args: Sequence[str], environment: Mapping[str, str]) -> Process:
    """Starts a module with arguments and an environment, in the working directory."""
    wanted = {"args": args, "environment": environment, "folder": str(Path.cwd())}
    text = json.dumps(wanted).encode()
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    status, status_end = socket.socketpair()
    inherited = [out_end, err_end, status_end.fileno()]
    with _ONE_REQUEST_AT_A_TIME:
        control = _server().control
        socket.send_fds(control, [len(text).to_bytes(fork_server.LENGTH_BYTES)], inherited)
        control.sendall(text)
    os.close(out_end)
    os.close(err_end)
    status_end.close()
    process = Process(await _read_pipe(out), await _read_pipe(err))
    await process.watch(status)
    return process


async def _read_pipe(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    return reader
