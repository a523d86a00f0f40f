"""`chesscoach doctor` as a command: its lines, its exit codes, no secret; and the settings."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chesscoach.config import Config, Settings
from chesscoach.context import Context
from tests.conftest import FakeSites
from tests.doctor.conftest import (
    CHECK_NAMES,
    PASSWORD,
    SHORT_TIMEOUTS,
    UNREACHABLE,
    failed_line,
    problems,
    run_checks,
    run_doctor,
)
from tests.support.processes import kill, start

NEEDS_DATABASE = ("replica set", "indexes", "clock", "timestamps", "usernames", "queue", "jobs",
    "lichess", "chess.com", "subscribers", "outbox", "progress")  # fmt: skip


async def test_without_a_problem_each_check_is_one_line_and_the_exit_code_0(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    done = await run_doctor(environment)

    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line[:4] for line in lines] == ["ok  "] * len(CHECK_NAMES)
    assert [line[6:19].strip() for line in lines] == CHECK_NAMES
    assert len(sites.lichess.requests) == len(sites.chesscom.requests) == 1


async def test_a_failure_has_what_to_do_and_the_exit_code_1(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    db.games.drop_index("chesscoach_game_id")
    db.sync_accounts.drop_index("links.user_id_1")

    done = await run_doctor(environment)
    as_json = await run_doctor(environment, "--json")

    assert (done.code, as_json.code) == (1, 1)
    line = failed_line(done)
    assert "games.chesscoach_game_id, sync_accounts.links.user_id_1" in line
    assert line.endswith("-> run `chesscoach db init`")
    (report,) = as_json.lines
    assert report["exit_code"] == 1
    assert [check["check"] for check in report["checks"]] == CHECK_NAMES
    assert all(check.keys() == {"check", "level", "what", "do"} for check in report["checks"])
    assert [c["check"] for c in report["checks"] if c["level"] == "fail"] == ["indexes"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("CHESSCOACH_SOURCES__CONTCT", "x", "sources.contct: unknown setting"),
        ("MONGO_URL", f"coach:{PASSWORD}@db.example", "MONGO_URL: cannot be used"),
        ("CHESSCOACH_SCHEDULES__SYNC_GAMES__JOB", "nightly", "no job 'nightly'"),
    ],
)
async def test_a_configuration_that_cannot_be_used_is_the_first_failure_and_exits_with_2(
    environment: dict[str, str], name: str, value: str, text: str
) -> None:
    done = await run_doctor({**environment, **SHORT_TIMEOUTS, name: value})
    as_json = await run_doctor({**environment, **SHORT_TIMEOUTS, name: value}, "--json")

    assert (done.code, as_json.code) == (2, 2)
    assert text in next(line for line in done.out.splitlines() if line.startswith("FAIL"))
    assert done.err.splitlines()[-1].startswith("chesscoach: ")
    assert text in done.err.splitlines()[-1]
    (report,) = as_json.lines
    assert report["exit_code"] == 2
    assert text in next(c["what"] for c in report["checks"] if c["level"] == "fail")
    assert PASSWORD not in done.out + done.err + as_json.out + as_json.err


@pytest.mark.parametrize(
    ("url", "levels"),
    [
        ("localhost", {"configuration": "fail", "database": "warn"}),
        (UNREACHABLE, {"database": "fail"}),
    ],
)
async def test_without_a_database_the_other_checks_run_and_no_source_gets_a_request(
    environment: dict[str, str], sites: FakeSites, url: str, levels: dict[str, str]
) -> None:
    findings = await run_checks(environment, **SHORT_TIMEOUTS, MONGO_URL=url)

    assert problems(findings) == {**levels, **dict.fromkeys(NEEDS_DATABASE, "warn")}
    assert "its lane is in the database" in findings["lichess"].what
    assert sites.lichess.requests == sites.chesscom.requests == []


async def test_a_signal_stops_it_and_frees_the_lane(
    environment: dict[str, str], ctx: Context, sites: FakeSites, db: Any
) -> None:
    sites.lichess.faults.append("hang")
    process = await start(environment, "chesscoach.cli", "doctor")
    async with asyncio.timeout(30):
        while not sites.lichess.requests:
            await asyncio.sleep(0.02)

    done = await kill(process, 15)

    assert done.code == 143
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_planted_secrets_are_in_no_line(environment: dict[str, str], tmp_path: Path) -> None:
    url = f"mongodb://coach:{PASSWORD}@db.invalid:27017/"
    (tmp_path / ".env").write_text(f"MONGO_URL={url}\n")
    (tmp_path / ".env").chmod(0o644)
    del environment["MONGO_URL"]

    for args in ((), ("--json",)):
        done = await run_doctor({**environment, **SHORT_TIMEOUTS}, *args)
        assert done.code == 1
        assert PASSWORD not in done.out + done.err
        assert "coach:" not in done.out
        assert "tests@example.org" not in done.out + done.err


async def test_an_account_that_cannot_be_read_breaks_no_check(
    settings: Settings, ctx: Context, db: Any
) -> None:
    db.sync_accounts.insert_one(
        {"_id": "lichess:ann", "platform": "lichess", "standing": "active", "links": [1]}
    )

    findings = await run_checks(settings)

    assert problems(findings) == {}
    assert "responded about lichess" in findings["lichess"].what


# Configuration


async def test_it_names_the_file_and_the_variables_that_count_without_their_values(
    environment: dict[str, str], ctx: Context, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("[sync]\nfirst_games = 7")
    (tmp_path / ".env").write_text("CHESSCOACH_LOG__LEVEL=error\nMONGO_URL=not-this-one")
    (tmp_path / ".env").chmod(0o600)

    findings = await run_checks(environment, CHESSCOACH_PORT="tcp://10.0.0.1")

    text = findings["configuration"].what
    assert str(tmp_path / "config.toml") in text
    real, beside = text.split("; ")[1:]
    assert real.startswith("from the environment: CHESSCOACH_RUNNER__LEASE_S, ")
    assert "DB_NAME" in real
    assert "MONGO_URL" in real
    assert "CHESSCOACH_PORT" not in text
    assert beside == f"from {tmp_path / '.env'}: CHESSCOACH_LOG__LEVEL"
    assert environment["MONGO_URL"] not in text


async def test_without_a_file_the_finding_says_that_the_defaults_apply(settings: Settings) -> None:
    assert "no config.toml" in (await run_checks(settings))["configuration"].what


async def test_without_a_contact_chesscom_gets_no_request_and_fails(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    findings = await run_checks(environment, CHESSCOACH_SOURCES__CONTACT=" ")

    assert problems(findings) == {"contact": "warn", "chess.com": "fail"}
    assert "CHESSCOACH_SOURCES__CONTACT" in findings["contact"].do
    assert "set [sources] contact" in findings["chess.com"].do
    assert sites.chesscom.requests == []
    assert len(sites.lichess.requests) == 1


async def test_disabled_schedules_alone_are_a_warning(
    environment: dict[str, str], ctx: Context
) -> None:
    off = {f"CHESSCOACH_SCHEDULES__{key.upper()}__ENABLED": "false" for key in Config().schedules}

    assert problems(await run_checks(environment, **off)) == {"schedules": "warn"}
