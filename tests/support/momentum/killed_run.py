"""A run of the job that is killed just before one of its writes."""

import re
import signal
from collections.abc import Callable, Mapping

from tests.support.mongo.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.processes import FinishedProcess, start, wait_for_end

_WRITE = re.compile(rb"\x02(insert|update|delete|findAndModify)\0....([a-z_]+)\0", re.DOTALL)
_MERGE = re.compile(rb"\x02(aggregate)\0....([a-z_]+)\0.*\$merge", re.DOTALL)
_OF_THE_RUNNER = ("job_runs", "job_leases", "schedules")


def _name_of_write(data: bytes) -> str | None:
    """The command and the collection of a message that writes, and not for the runner."""
    found = _WRITE.search(data) or _MERGE.search(data)
    if found is None or (collection := found[2].decode()) in _OF_THE_RUNNER:
        return None
    return f"{found[1].decode()} {collection}"


async def run_counting_writes(
    environment: Mapping[str, str], *args: str, kill_before: int | None = None
) -> tuple[FinishedProcess, int]:
    """Runs a module, kills it before its write of a number (from 1); returns its writes too."""
    finished, names = await run_naming_writes(environment, *args, kill_before=kill_before)
    return finished, len(names)


async def run_naming_writes(
    environment: Mapping[str, str], *args: str, kill_before: int | None = None
) -> tuple[FinishedProcess, list[str]]:
    """The same, with the names of the writes, such as `update user_progress`."""
    async with tcp_proxy(environment["MONGO_URL"]) as proxy:
        writes = _Writes(proxy, kill_before)
        process = await start({**environment, "MONGO_URL": proxy.url}, *args)
        writes.kill = lambda: process.send_signal(signal.SIGKILL)
        return await wait_for_end(process), writes.names


class _Writes:
    """The writes that a proxy passes; it ends the process before one of them."""

    def __init__(self, proxy: TcpProxy, kill_before: int | None) -> None:
        self.names: list[str] = []
        self.kill: Callable[[], None] = lambda: None
        self._kill_before = kill_before
        proxy.passes = self._passes

    def _passes(self, data: bytes) -> bool:
        name = _name_of_write(data)
        if name is None:
            return True
        self.names.append(name)
        if self._kill_before is None or len(self.names) < self._kill_before:
            return True
        self.kill()
        return False
