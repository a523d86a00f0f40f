"""The lines of docs/deployment for systemd and for a crontab reach the first sync.

They run on a throw-away machine (tests/deploy/sandbox). There systemd, make, pip, venv, useradd,
flock, timeout, logger and MongoDB are real. Small scripts stand in for sudo and cron; the file of
each says what it leaves out. Commands of the test edit the files.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chesscoach import config
from tests.deploy.sandbox.namespace import PROGRAMS, SOURCE, missing_requirements, namespace

ROOT = Path(__file__).parents[2]
WHEELS = ROOT / ".artefacts" / "wheels"
REQUIREMENTS = [ROOT / "requirements" / f"{name}.txt" for name in ("build", "runtime")]

SCHEDULES = {
    key
    for key, schedule in config.load(str(ROOT / "config.toml"), {}).config.schedules.items()
    if schedule.enabled
}

# An installation takes ten seconds of a core, and more where others are at work.
pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(400)]


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The packages that `make install` installs, fetched once for each change of what is pinned."""
    python = str(shutil.which("python3", path=PROGRAMS))
    version = subprocess.check_output([python, "--version"])
    wanted = hashlib.sha256(b"".join([version, *(path.read_bytes() for path in REQUIREMENTS)]))
    folder = WHEELS / wanted.hexdigest()[:12]
    WHEELS.mkdir(parents=True, exist_ok=True)
    with (WHEELS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for other in WHEELS.glob("*/"):
                shutil.rmtree(other)
            partly = folder.with_suffix(".partly")
            subprocess.run(
                [
                    sys.executable, "-m", "pip", "--python", python, "download", "--quiet",
                    "--disable-pip-version-check", "--require-hashes", "--dest", partly,
                    *(f"--requirement={path}" for path in REQUIREMENTS),
                ],
                check=True,
            )  # fmt: skip
            partly.rename(folder)
    return folder


def run_target(home: str, tmp_path: Path, wheels: Path) -> dict[str, Any]:
    """Runs a home's lines on a new machine; returns what came of it, which is a first sync."""
    assert not missing_requirements(), f"wanting: {missing_requirements()}"
    given = {"PATH": PROGRAMS, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    given |= {"LANG": "C.UTF-8", "container": "other"}
    given |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(SOURCE / wheels.relative_to(ROOT))}
    program = [f"{SOURCE}/.venv/bin/python", "-m", "tests.deploy.sandbox.entry", home]
    with namespace(tmp_path, program, given, systemd=home == "systemd") as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
    assert printed, "nothing came of it"
    came: dict[str, Any] = json.loads(printed)
    sys.stdout.write(came.pop("said"))
    assert came["code"] == 0, came
    assert came["violations"] == []
    assert all("you@example.org" in agent for agent in came["agents"]), came["agents"]
    syncs = [run for run in came["runs"] if run["job"] == "sync_games"]
    assert any(run["outcome"] == "succeeded" for run in syncs), came
    came["source"] = {run["source"] for run in syncs}
    return came


def test_systemd_reaches_its_first_sync_and_runs_all_hardened_units(
    tmp_path: Path, wheels: Path
) -> None:
    came = run_target("systemd", tmp_path, wheels)

    assert min(came["games"].values()) > 0
    assert "systemd" in came["source"]
    assert finished_schedules(came) == SCHEDULES


def test_a_crontab_reaches_its_first_sync_and_all_its_lines_do_what_they_are_for(
    tmp_path: Path, wheels: Path
) -> None:
    came = run_target("cron", tmp_path, wheels)

    assert min(came["games"].values()) > 0
    assert finished_schedules(came) == SCHEDULES


def finished_schedules(came: dict[str, Any]) -> set[str]:
    """The schedules of which a slot was worked, or was too late for that."""
    settled = ("succeeded", "missed")
    return {run["_id"].partition(":")[0] for run in came["runs"] if run["outcome"] in settled}
