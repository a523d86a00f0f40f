"""The embedded server: a real mongod that all processes on one data folder share.

Each process that uses the server holds a shared flock on `users.lock`, which the kernel releases
however the process ends. To enter, restart mongod or leave, a process takes an exclusive flock on
`start.lock`. A leaving process that can take `users.lock` exclusively is the last one, and stops
mongod. There is no owner, count or pid file: the next process to enter adopts a mongod whose users
were all killed.
"""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pymongo import monitoring

from chesscoach import log
from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.mongod import HOST, Mongod, find_mongod, try_lock

if sys.platform != "win32":
    import fcntl

_START_LOCK_TIMEOUT_S = 60.0  # longer than another process may take to start or stop mongod


class EmbeddedServer:
    """A process's use of the mongod of a data folder; methods block and may run in any thread.

    A forked child does not use it; the child may enter itself.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._mongod = Mongod(self._folder)
        self._port = 0
        self._users = -1  # the descriptor of users.lock; we use the server while `_locks` has it
        self._locks: set[int] = set()
        if sys.platform != "win32":
            # A forked child shares our flocks: if it outlived us, we would seem to use the server.
            os.register_at_fork(after_in_child=functools.partial(_close_locks, self._locks))

    def start_or_join(self) -> str:
        """Starts or adopts mongod, waits until it is primary and returns its URI.

        Raises:
            StoreUnavailable: there is no mongod, it does not start within 45 s, the folder cannot
                be used, or other processes held the lock for 60 s.
        """
        find_mongod()
        try:
            with self._start_lock(make=True):
                if self._users not in self._locks:
                    self._users = self._lock("users.lock", fcntl.LOCK_SH)
                self._port = self._mongod.start()
        except BaseException:
            self.leave()
            raise
        return f"mongodb://{HOST}:{self._port}/?directConnection=true"

    def restart_if_dead(self) -> None:
        """Restarts a mongod that was killed, on its port; does nothing after `leave` has begun.

        Raises:
            StoreUnavailable: it does not start, or only on another port, where new processes
                find it.
        """
        if self._users not in self._locks:
            return
        with self._start_lock():
            if self._users not in self._locks:
                return
            port = self._mongod.start()
        if port != self._port:
            msg = f"port {self._port} was taken and mongod is now on {port}: restart this process"
            raise StoreUnavailable(msg)

    def leave(self) -> None:
        """Ends the use of the server; the last process stops mongod. Idempotent.

        Raises:
            StoreUnavailable: other processes held the lock for 60 s. The use has ended even so.
        """
        users, self._users = self._users, -1
        if users not in self._locks:
            return
        try:
            with self._start_lock():
                if try_lock(users, fcntl.LOCK_EX):
                    self._mongod.stop()
        finally:
            self._release(users)

    @contextlib.contextmanager
    def _start_lock(self, *, make: bool = False) -> Iterator[None]:
        try:
            if make:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            start_lock = self._lock("start.lock", fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._release(start_lock)
        except OSError as error:
            msg = f"{self._folder} cannot be used for the embedded MongoDB: {error}"
            raise StoreUnavailable(msg) from error

    def _lock(self, name: str, operation: int) -> int:
        path, deadline = self._folder / name, time.monotonic() + _START_LOCK_TIMEOUT_S
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # mongod does not inherit it: PEP 446
        self._locks.add(fd)
        try:
            while not try_lock(fd, operation):
                if time.monotonic() > deadline:
                    msg = (
                        f"{path} stayed locked by another process for {_START_LOCK_TIMEOUT_S:.0f} s"
                    )
                    raise StoreUnavailable(msg)
                time.sleep(0.02)
        except BaseException:
            self._release(fd)
            raise
        return fd

    def _release(self, fd: int) -> None:
        self._locks.discard(fd)
        fcntl.flock(
            fd, fcntl.LOCK_UN
        )  # closing is not enough: a child before its exec may have the descriptor
        os.close(fd)


class EmbeddedServerRestarter(monitoring.ServerHeartbeatListener):
    """Restarts a killed mongod as soon as a client misses its heartbeat.

    Motor and MongoClient call it in a thread; AsyncMongoClient would block its loop.
    """

    def __init__(self, embedded: EmbeddedServer) -> None:
        self._embedded = embedded

    def started(self, event: monitoring.ServerHeartbeatStartedEvent) -> None:
        """Does nothing."""

    def succeeded(self, event: monitoring.ServerHeartbeatSucceededEvent) -> None:
        """Does nothing."""

    def failed(self, event: monitoring.ServerHeartbeatFailedEvent) -> None:
        """Restarts mongod; the driver's next heartbeat, which follows at once, finds it."""
        try:
            self._embedded.restart_if_dead()
        except StoreUnavailable as error:
            log.get_logger().warning("embedded_revive_failed", error=str(error))


def _close_locks(locks: set[int]) -> None:
    for fd in locks:
        os.close(fd)
    locks.clear()
