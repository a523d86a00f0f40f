"""Our commands as real processes, for tests of entry points, signals and kills."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tests.support.forked_process import Process, fork


class FinishedProcess(Struct, kw_only=True):
    """What a process left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its stdout as the JSON objects that every line must be."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """The run record that `--json` printed."""
        (record,) = self.lines
        return record


async def start(environment: Mapping[str, str], *args: str) -> Process:
    """Starts `python -W error -m …` in the working directory, forked by the fork server."""
    base = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return await fork(args, {**base, **environment})


async def wait_for_end(process: Process, timeout_s: float = 120.0) -> FinishedProcess:
    """Waits for a process to end."""
    async with asyncio.timeout(timeout_s):
        out, err = await process.communicate()
    assert process.returncode is not None
    return FinishedProcess(code=process.returncode, out=out.decode(), err=err.decode())


async def run(environment: Mapping[str, str], *args: str) -> FinishedProcess:
    """Starts a process and waits for its end."""
    return await wait_for_end(await start(environment, *args))


async def kill(process: Process, number: int = signal.SIGKILL) -> FinishedProcess:
    """Sends a signal, unless the process has ended, and waits for its end."""
    if process.returncode is None:
        process.send_signal(number)
    return await wait_for_end(process)


async def line_with(process: Process, event: str, timeout_s: float = 60.0) -> dict[str, Any]:
    """Reads a process's stdout until a line of that event."""
    async with asyncio.timeout(timeout_s):
        while text := await process.stdout.readline():
            line: dict[str, Any] = json.loads(text)
            if line["event"] == event:
                return line
    msg = f"the process ended before it logged {event}"
    raise AssertionError(msg)
