"""A run of the job that is killed just before one of its writes."""

import signal
from collections.abc import Callable, Mapping

from tests.support.mongo.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.processes import FinishedProcess, start, wait_for_end

_WRITES = (b"\x02insert\x00", b"\x02update\x00", b"\x02delete\x00", b"findAndModify\x00", b"$merge")
_OF_THE_RUNNER = (b"job_runs", b"job_leases", b"schedules")


def _is_write(data: bytes) -> bool:
    return any(word in data for word in _WRITES) and not any(w in data for w in _OF_THE_RUNNER)


async def run_counting_writes(
    environment: Mapping[str, str], *args: str, kill_before: int | None = None
) -> tuple[FinishedProcess, int]:
    """Runs a module, kills it before its write of a number (from 1); returns its writes too."""
    async with tcp_proxy(environment["MONGO_URL"]) as proxy:
        writes = _Writes(proxy, kill_before)
        process = await start({**environment, "MONGO_URL": proxy.url}, *args)
        writes.kill = lambda: process.send_signal(signal.SIGKILL)
        return await wait_for_end(process), writes.count


class _Writes:
    """Counts the writes that a proxy passes, and ends the process before one of them."""

    def __init__(self, proxy: TcpProxy, kill_before: int | None) -> None:
        self.count = 0
        self.kill: Callable[[], None] = lambda: None
        self._kill_before = kill_before
        proxy.passes = self._passes

    def _passes(self, data: bytes) -> bool:
        if not _is_write(data):
            return True
        self.count += 1
        if self._kill_before is None or self.count < self._kill_before:
            return True
        self.kill()
        return False
