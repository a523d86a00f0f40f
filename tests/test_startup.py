"""The first instants of a process: signals before the imports, variables that are not UTF-8."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.processes import kill, run, start

ROOT = Path(__file__).parents[1]
COMMANDS = [
    (("chesscoach",), "click", 0, 0),
    (("chesscoach.jobs.cleanup",), "msgspec", 143, 130),
    (("chesscoach.jobs.sync_games", "--scheduled"), "msgspec", 143, 130),
    (("chesscoach.jobs.weekly_emails", "--dry-run"), "msgspec", 143, 130),
    (("chesscoach.cli", "runs", "list"), "click", 143, 130),
    (("chesscoach.cli", "healthcheck"), "click", 143, 130),
    (("chesscoach.demo",), "click", 143, 130),
]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("args", "library", "terminated", "interrupted"), COMMANDS)
async def test_a_signal_during_the_imports_ends_the_process(
    tmp_path: Path,
    number: signal.Signals,
    args: tuple[str, ...],
    library: str,
    terminated: int,
    interrupted: int,
) -> None:
    """The first library that is imported sends the signal, and would never be done."""
    (tmp_path / f"{library}.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {number})\ntime.sleep(60)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *args),
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == (terminated if number == signal.SIGTERM else interrupted)
    assert output == b""


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that accepts connections and never answers; its URL, and when one has come."""
    connected = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"mongodb://{host}:{port}/", connected


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("chesscoach",), 0),
        (("chesscoach.cli", "web"), 0),
        (("chesscoach.jobs.cleanup", "--scheduled"), 143),
        (("chesscoach.cli", "runs", "list"), 143),
    ],
)
async def test_a_signal_interrupts_the_wait_for_a_database_that_does_not_answer(
    args: tuple[str, ...], code: int
) -> None:
    async with asyncio.timeout(60), silent_server() as (url, connected):
        patient = {"CHESSCOACH_DATABASE__TIMEOUT_S": "600"}
        process = await start({"MONGO_URL": url, "DB_NAME": "none", **patient}, *args)
        await connected.wait()
        done = await kill(process, signal.SIGTERM)
    assert done.code == code
    assert "Traceback" not in done.out + done.err


ODD_TEXT = os.fsdecode(b"lich\xffess")


@pytest.mark.parametrize(
    "name",
    [
        *("MONGO_URL", "DB_NAME", "SENDGRID_API_KEY", "SENDER_EMAIL", "MONGO_URL_FILE"),
        *("CHESSCOACH_CONFIG", "CHESSCOACH_SLOT", "CHESSCOACH_SOURCES__CONTACT"),
        *("KUBERNETES_JOB_NAME", "JOB_COMPLETION_INDEX", "CHESSCOACH_EMAILS__SIGNING_KEY"),
    ],
)
async def test_a_variable_that_is_not_utf8_is_named(name: str) -> None:
    for args in (("chesscoach",), ("chesscoach.jobs.cleanup",), ("chesscoach.cli", "runs", "list")):
        done = await run({name: ODD_TEXT}, *args)
        assert done.code == 2
        (line,) = done.err.splitlines()
        assert name in line
        assert "not UTF-8" in line
        assert "Traceback" not in done.out


async def test_a_character_that_the_terminal_lacks_is_printed_as_its_number() -> None:
    done = await run({"PYTHONIOENCODING": "ascii"}, "chesscoach.cli", "runs", "lists", "Königin")
    assert done.code == 2
    assert "Traceback" not in done.err
