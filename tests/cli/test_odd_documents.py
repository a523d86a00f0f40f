"""Documents with values of the wrong type in any field: lists and doctor leave them out."""

import json
from typing import Any

import pytest

from chesscoach.context import Context
from tests.cli.conftest import RunCli
from tests.conftest import FakeSites
from tests.doctor.conftest import run_doctor
from tests.support.odd_documents import add_good_documents, add_odd_copies
from tests.support.processes import run

LISTS = [
    (("runs", "list", "--limit", "1000"), "sync_games:manual:"),
    (("runs", "list", "--limit", "1000", "--job", "sync_games"), "sync_games:manual:"),
    (("schedules", "list"), "mine"),
    (("schedules", "next", "--count", "50"), "mine"),
    (("emails", "list", "--limit", "1000"), "weekly:ann:2026-W42"),
    (("emails", "suppressed", "--limit", "1000"), "ann@example.org"),
    (("accounts", "list"), "Ann"),
    (("accounts", "show", "ann"), "lichess:ann"),
]
"""Each list, and what a good document shows in it."""


@pytest.fixture
async def full_database(
    ctx: Context, db: Any, sites: FakeSites, environment: dict[str, str], run_cli: RunCli
) -> None:
    """A database with a good document of each kind."""
    await add_good_documents(ctx, db, sites, environment)


@pytest.mark.usefixtures("full_database")
async def test_every_list_shows_the_good_documents_among_those_of_wrong_types(
    db: Any, environment: dict[str, str], run_cli: RunCli
) -> None:
    add_odd_copies(db)
    failures = []
    for args, shown in LISTS:
        for extra in ((), ("--json",)):
            done = await run(environment, "chesscoach.cli", *args, *extra)
            if (
                shown not in done.out
                or done.code
                or "Traceback" in done.err
                or (extra and not json.loads(done.out))
            ):
                failures.append(
                    (args, done.code, done.out[-100:] if not done.err else done.err[-300:])
                )
    assert failures == [], "\n".join(map(str, failures))
    done = await run_doctor(environment, "--json")
    checks = {check["check"]: check["what"] for check in json.loads(done.out)["checks"]}
    broken = {name: what for name, what in checks.items() if "check itself failed" in what}
    assert broken == {}, [line for line in done.err.splitlines() if "check_failed" in line]
