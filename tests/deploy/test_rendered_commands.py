"""The lines of units and of the crontab do as they stand what they are for."""

import asyncio
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from chesscoach.context import Context
from tests.deploy.conftest import Render

SCHEDULES = '[schedules.sync]\njob = "sync_games"\ncron = "* * * * *"\n'
RenderedTarget: TypeAlias = Callable[[str], tuple[Path, str]]


@pytest.fixture
def rendered_target(tmp_path: Path, render: Render, environment: dict[str, str]) -> RenderedTarget:
    """A scratch root with our program, settings and secrets, and what is rendered for it."""

    def _home(kind: str) -> tuple[Path, str]:
        prefix, etc, state = tmp_path / "opt", tmp_path / "etc", tmp_path / "state"
        (prefix / "bin").mkdir(parents=True)
        program = prefix / "bin" / "python"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -W error "$@"\n')
        program.chmod(0o755)
        (etc / "secrets").mkdir(parents=True)
        state.mkdir()
        others = {key: text for key, text in environment.items() if "__" in key}
        beside = {**others, "DB_NAME": environment["DB_NAME"]}
        (etc / ".env").write_text("".join(f"{key}='{text}'\n" for key, text in beside.items()))
        (etc / "config.toml").write_text(SCHEDULES)
        for name in ("sendgrid-api-key", "sender-email", "signing-key"):
            (etc / "secrets" / name).touch()
        (etc / "secrets" / "mongo-url").write_text(environment["MONGO_URL"] + "\n")
        given = ["--prefix", str(prefix), "--etc", str(etc), "--out", str(tmp_path / "out")]
        given += ["--state", str(state)] if kind == "crontab" else []
        render(kind, *given, schedules=SCHEDULES)
        return tmp_path / "out", str(state)

    return _home


async def run_line(argv: list[str], environment: dict[str, str], work: str) -> int:
    """Runs a line with nothing around it but what is given; returns its exit code."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment, cwd=work, stdout=subprocess.DEVNULL
    )
    async with asyncio.timeout(60):
        return await process.wait()


async def test_the_crontab_line_runs_the_slot_and_writes_the_log(
    rendered_target: RenderedTarget, tmp_path: Path, ctx: Context, db: Any
) -> None:
    out, _ = await asyncio.to_thread(rendered_target, "crontab")
    lines = [
        line for line in (out / "crontab").read_text().splitlines() if line[:1] not in ("#", "")
    ]
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    (line,) = (line for line in lines if line.startswith("* * * * * "))
    log = tmp_path / "log"
    logger = tmp_path / "bin" / "logger"
    logger.parent.mkdir()
    logger.write_text(f"#!/bin/sh\nexec cat >> {log}\n")
    logger.chmod(0o755)
    environment = {"PATH": f"{logger.parent}:/usr/bin:/bin", "HOME": "/", **variables}

    code = await run_line(
        [variables["SHELL"], "-c", line.removeprefix("* * * * * ")], environment, "/"
    )

    assert code == 0
    (run,) = db.job_runs.find({"outcome": "succeeded"})
    assert run["_id"].startswith("sync:")
    assert '"job_finished"' in log.read_text()


async def test_a_second_crontab_line_exits_at_once_beside_a_long_run(
    rendered_target: RenderedTarget, ctx: Context, db: Any
) -> None:
    out, state = await asyncio.to_thread(rendered_target, "crontab")
    text = (out / "crontab").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("* * * * * "))
    variables = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    command = line.removeprefix("* * * * * ").partition(" 2>&1")[0]
    lock = Path(state) / "sync.lock"
    holding = await asyncio.create_subprocess_exec(
        *("flock", str(lock), "sh", "-c", "echo held; exec sleep 100"), stdout=subprocess.PIPE
    )
    assert holding.stdout is not None
    await holding.stdout.readline()
    try:
        code = await run_line(
            ["/bin/sh", "-c", command], {"PATH": "/usr/bin:/bin", **variables}, "/"
        )
    finally:
        holding.terminate()
        await holding.wait()

    assert code == 0
    assert db.job_runs.count_documents({}) == 0


def unit_line(text: str, home: Path) -> tuple[str, dict[str, str]]:
    """A unit's line and its environment, with the credentials that systemd would lay out."""
    credentials = home / "credentials"
    credentials.mkdir()
    for file in (home / "etc" / "secrets").iterdir():  # as LoadCredential= of a folder does
        (credentials / f"secrets_{file.name}").write_bytes(file.read_bytes())
    variables = {
        key: value.replace("%d", str(credentials))
        for key, value in re.findall(r"^Environment=([A-Z_]+)=(.*)$", text, re.MULTILINE)
    }
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    return line, {"PATH": "/usr/bin:/bin", "INVOCATION_ID": "a", **variables}


async def test_a_unit_runs_the_slot_with_its_own_environment(
    rendered_target: RenderedTarget, tmp_path: Path, ctx: Context, db: Any
) -> None:
    out, _ = await asyncio.to_thread(rendered_target, "systemd")
    text = (out / "chesscoach@.service").read_text()
    text += (out / "chesscoach@sync.service.d" / "job.conf").read_text()
    line, variables = unit_line(text, tmp_path)
    argv = shlex.split(line.replace("%i", "sync").replace("${JOB}", variables["JOB"]))

    code = await run_line(argv, variables, "/")

    assert code == 0
    (run,) = db.job_runs.find({"outcome": "succeeded"})
    assert run["_id"].startswith("sync:")
    assert run["source"] == "systemd"


async def test_the_daemon_s_unit_starts_it_with_its_own_environment_and_ends_it_with_0(
    rendered_target: RenderedTarget, tmp_path: Path, ctx: Context, db: Any
) -> None:
    out, _ = await asyncio.to_thread(rendered_target, "systemd")
    line, variables = unit_line((out / "chesscoach.service").read_text(), tmp_path)
    process = await asyncio.create_subprocess_exec(
        *shlex.split(line), env=variables, cwd="/", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b'"scheduler_started"' not in (line_read := await process.stdout.readline()):
                assert line_read, "it ended"
            process.terminate()
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()

    assert process.returncode == 0
    assert b'"daemon_stopped"' in output
    assert db.schedules.find_one({"_id": "sync"}) is not None
