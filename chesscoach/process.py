"""The life of one process: settings, logging, signals, the context, the exit code."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Literal

import click

from chesscoach import config, log
from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.errors import ChesscoachError, ConfigError
from chesscoach.worker.runner import result
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest

_EXIT_TIMEOUT_S = 2.0
_GC_THRESHOLD = 50_000
"""New objects before the garbage collector looks at them: a batch of games has thousands."""


def execute(
    load: Callable[[], Settings],
    body: Callable[[Context, ShutdownRequest], Awaitable[int]],
    *,
    code_if_stopped: int | None = None,
) -> int:
    """Runs a function that needs a context; returns its exit code, or that of our error.

    A signal interrupts the wait for the database; nothing has begun then, and the exit code is
    `code_if_stopped` (default: 128 and the signal).
    """

    async def run_body(settings: Settings, stop: ShutdownRequest) -> int:
        async with AsyncExitStack() as stack:
            opening = stack.enter_async_context(open_context(settings))
            try:
                ctx = await stop.run_interruptible(opening)
            except Interrupted:
                return 128 + (stop.signal or 0) if code_if_stopped is None else code_if_stopped
            return await body(ctx, stop)

    return execute_alone(load, run_body)


def execute_alone(
    load: Callable[[], Settings],
    body: Callable[[Settings, ShutdownRequest], Coroutine[Any, Any, int]],
) -> int:
    """Runs a function that needs only the settings, as `execute` does."""
    stop = ShutdownRequest()
    try:
        loaded = load()
    except ConfigError as error:
        return _report_error(error, result.EXIT_USAGE)
    return run_until_stopped(lambda: body(loaded, stop), stop)


def run_until_stopped(body: Callable[[], Coroutine[Any, Any, int]], stop: ShutdownRequest) -> int:
    """Runs a coroutine function and turns our errors into exit codes.

    SIGTERM and SIGINT ask it to stop; a second signal interrupts it. The process ends even if a
    task ignores its cancellation.
    """

    async def run_body() -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.request, int(number))
        code = await body()
        await _exit_process(code)
        return code

    # The imported modules stay. Without this, the garbage collector looks through them each time
    # and stops the process for a tenth of a second.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    try:
        return asyncio.run(run_body())
    except ConfigError as error:
        return _report_error(error, result.EXIT_USAGE)
    except ChesscoachError as error:
        return _report_error(error, result.EXIT_FAILED)


async def _exit_process(code: int) -> None:
    """Ends the process despite tasks that ignore their cancellation; asyncio would wait."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        _, left = await asyncio.wait(left, timeout=_EXIT_TIMEOUT_S)
    if left:
        names = sorted(task.get_name() for task in left)
        log.get_logger().error("exited_with_running_tasks", tasks=names)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _report_error(error: ChesscoachError, code: int) -> int:
    log.get_logger().error("startup_failed", error=str(error))
    if not sys.stderr.isatty() or not sys.stdout.isatty():
        click.echo(f"chesscoach: {log.Redactor().scrub(str(error))}", err=True)
    return code


def load_settings(path: str | None, *, stream: Literal["stdout", "stderr"]) -> Settings:
    """Loads the settings and sets up logging by them; until then the defaults apply."""
    log.configure(config.LogSettings(), stream=stream)
    loaded = config.load(path)
    log.configure(loaded.config.log, secrets=loaded.process.secrets(), stream=stream)
    return loaded
