"""What goes on in that machine: a database and both sites, then a home's lines, then a look.

`python -m tests.deploy.sandbox.entry HOME`, as root there; it prints what came of it, as JSON.
"""

import asyncio
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.world import sample_world
from tests.deploy.sandbox import cron, database, systemd
from tests.deploy.sandbox.namespace import DATABASE, PROGRAMS, SOURCE
from tests.deploy.sandbox.readme_commands import readme_commands

CHECKOUT = Path("/srv/chesscoach")
"""Where the operator has cloned the repository."""

_SHIMS = Path("/usr/local/shims")
_SHELL_OPTIONS = "PS4='[$SECONDS s] $ '; set -euxo pipefail\n"
_RUN_TIMEOUT_S = 240


async def run_target(home: str) -> dict[str, Any]:
    """Sets the scene, runs the lines; returns what came of it."""
    _enable_loopback()
    world, members = sample_world(datetime.now(UTC))
    lichess, chesscom = FakeLichess(world), FakeChesscom(world)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        await asyncio.to_thread(_clone, lichess.url, f"{chesscom.url}/pub")
        await asyncio.to_thread(_install_shims)
        await asyncio.to_thread(database.start, Path("/var/lib/mongodb"))
        await asyncio.to_thread(_insert_users, members)
        log = await asyncio.to_thread(cron.open_log) if home == "cron" else None
        code, said = await _run(readme_commands(home))
        if log is not None and code == 0:
            code, more = await asyncio.to_thread(cron.run_lines, log)
            said += more
        if home == "systemd":
            code, more = await asyncio.to_thread(systemd.run_units, code)
            said += more
        return {
            "code": code,
            "said": said,
            "violations": lichess.violations + chesscom.violations,
            "agents": sorted({seen.agent for seen in [*lichess.requests, *chesscom.requests]}),
            **(await asyncio.to_thread(_database_contents) if code == 0 else {}),
        }


def _enable_loopback() -> None:
    """Turns it on; there is no other network."""
    with socket.socket() as any_:
        fcntl.ioctl(any_, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def _clone(lichess: str, chesscom: str) -> None:
    """A checkout, whose settings lead to the stand-ins: addresses are configuration."""
    listed = subprocess.run(
        [
            "git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE,
            "ls-files", "--cached", "--others", "--exclude-standard",
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (SOURCE / name).is_file():
            (CHECKOUT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCE / name, CHECKOUT / name)
    settings = (CHECKOUT / "config.toml").read_text()
    for theirs, ours in (("https://lichess.org", lichess), ("https://api.chess.com/pub", chesscom)):
        assert settings.count(f'\nbase_url = "{theirs}"\n') == 1
        settings = settings.replace(f'"{theirs}"', f'"{ours}"')
    (CHECKOUT / "config.toml").write_text(settings)


def _install_shims() -> None:
    """Lays out the programs that stand in for others."""
    _SHIMS.mkdir()
    for name in ("sudo", "crontab"):
        shutil.copy(SOURCE / "tests" / "deploy" / "sandbox" / f"{name}.sh", _SHIMS / name)
    for path in _SHIMS.iterdir():
        path.chmod(0o755)


def _insert_users(members: list[tuple[str, str, str]]) -> None:
    """The application has some before we come."""
    with MongoClient[dict[str, Any]](DATABASE) as client:
        client.chesscoach.users.insert_many(
            {
                "user_id": user_id,
                "lichess_username": on_lichess or None,
                "chesscom_username": on_chesscom or None,
            }
            for user_id, on_lichess, on_chesscom in members
        )


async def _run(script: str) -> tuple[int, str]:
    """Types them into a shell, which stops at the first that fails; its exit code, all it said."""
    packages = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
    person = {"HOME": "/root", "LANG": "C.UTF-8", **packages}
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        _SHELL_OPTIONS + script,
        cwd=CHECKOUT,
        env={"PATH": f"{_SHIMS}:{PROGRAMS}", **person},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = []
    try:
        async with asyncio.timeout(_RUN_TIMEOUT_S):
            while line := await process.stdout.readline():
                said.append(line.decode())
            return await process.wait(), "".join(said)
    except TimeoutError:
        return 124, "".join([*said, "it took too long\n"])


def _database_contents() -> dict[str, Any]:
    """What the database holds."""
    with MongoClient[dict[str, Any]](DATABASE, tz_aware=True) as client:
        db = client.chesscoach
        shown = ("_id", "job", "outcome", "source")
        return {
            "runs": [{key: run.get(key) for key in shown} for run in db.job_runs.find()],
            "games": {
                platform: db.games.count_documents({"platform": platform})
                for platform in ("lichess", "chess.com")
            },
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run_target(sys.argv[1]))) + "\n")
