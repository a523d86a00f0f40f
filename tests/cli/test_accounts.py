import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.sync.account import Account, AccountLink, SealedMonth
from chesscoach.sync.fetching import archive_months
from tests.cli.conftest import RunCli, RunJson
from tests.conftest import FakeSites
from tests.support.processes import FinishedProcess, run
from tests.support.sync.sync_members import add_member, before_now, run_sync

CLI = "chesscoach.cli"


async def run_process(environment: dict[str, str], *args: str) -> FinishedProcess:
    return await run(environment, CLI, *args)


def test_an_account_is_linked_listed_and_unlinked(
    run_cli: RunCli, run_cli_json: RunJson, db: Any
) -> None:
    run_cli("db", "init")
    first = run_cli("accounts", "link", "ann", "--lichess", "Ann")
    second = run_cli("accounts", "link", "ann", "--chesscom", "ann-c")
    assert "created the user ann" in first.stdout
    assert second.stdout == "linked ann: chess.com ann-c\n"

    shown = run_cli_json("accounts", "list")
    table = run_cli("accounts", "list")

    assert [(row["platform"], row["name"], row["games"]) for row in shown] == [
        ("lichess", "Ann", 0),
        ("chess.com", "ann-c", 0),
    ]
    assert "ann-c" in table.stdout
    run_cli("accounts", "unlink", "ann", "--lichess")
    assert db.users.find_one({"user_id": "ann"})["chesscom_username"] == "ann-c"
    assert "lichess_username" not in db.users.find_one({"user_id": "ann"})


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("accounts", "link", "ann", "--lichess", "a/b"), "'a/b' cannot be a name on lichess"),
        (("accounts", "link", "ann"), "nothing to link"),
        (("accounts", "unlink", "nobody"), "user 'nobody' does not exist"),
        (("db", "frobnicate"), "frobnicate"),
    ],
)
def test_bad_input_is_code_2(args: tuple[str, ...], said: str, run_cli: RunCli, db: Any) -> None:
    assert said in run_cli(*args, code=2).stderr
    assert db.users.count_documents({}) == 0


async def test_an_account_is_shown_with_all_that_an_operator_asks_about(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    sites.world.add_game("lichess", "Ann", before_now(days=1))
    playing = sites.world.add_game("lichess", "Ann", None, started_at=before_now(hours=1))
    sites.world.add_game("chess.com", "Ann", before_now(days=1))
    await run_sync(ctx)
    await ctx.users.link("bob", {"lichess": "aNN"})
    await ctx.sync.accounts.ensure(
        [], [("lichess:ann", AccountLink(user_id="bob", name="aNN"))], [], ctx.now()
    )

    done = await run_process(environment, "accounts", "show", "ANN", "--json")
    drawn = await run_process(environment, "accounts", "show", "lichess:ann")

    assert (done.code, done.err) == (0, "")
    chesscom, lichess = json.loads(done.out)
    assert (lichess["key"], lichess["platform"], lichess["name"]) == (
        "lichess:ann",
        "lichess",
        "ann",
    )
    assert (lichess["standing"], lichess["absent"], lichess["failures"]) == ("active", 0, 0)
    assert lichess["users"] == [
        {"user_id": "ann", "name": "Ann", "joined": True},
        {"user_id": "bob", "name": "aNN", "joined": False},
    ]
    row = db.sync_accounts.find_one({"_id": "lichess:ann"})
    for field in ("cursor", "active_at", "checked_at", "due_at"):
        assert datetime.fromisoformat(lichess[field]) == row[field], field
    assert [game["id"] for game in lichess["unfinished_games"]] == [playing.id]
    assert (lichess["tier"], lichess["due"], lichess["set_aside_until"]) == (
        "every run",
        True,
        None,
    )
    assert lichess["open_months"] == lichess["sealed_months"] == []
    assert chesscom["cursor"] is None
    assert chesscom["open_months"][-1] == archive_months.month_of(ctx.now())
    assert chesscom["unfinished_games"] == []
    assert lichess["site"] == {
        "paused_until": None,
        "closed_until": None,
        "held_by": None,
        "contact_missing": False,
    }
    assert drawn.code == 0
    for said in (
        "ann as Ann, backfill done",
        "bob as aNN, backfill pending",
        f"{playing.id}, since 20",
        "every run; last active 20",
        "now (since 20",
    ):
        assert said in drawn.out
    assert "chess.com" not in drawn.out
    assert "\x1b" not in drawn.out


async def test_an_account_in_trouble_is_shown_with_its_errors_and_pauses(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    links = (AccountLink(user_id="[red]ann", name="Ann", backfilled=True),)
    account = Account(
        key="chess.com:ann",
        platform="chess.com",
        name="ann",
        links=links,
        created_at=before_now(days=400),
        active_at=before_now(days=100),
        first_month="2026-05",
        sealed_months={"2026-04": SealedMonth(etag="x", checked_at=before_now(days=3))},
        gone_months=("2026-06",),
        not_found_checks=2,
    )
    await ctx.sync.accounts.ensure([account], [], [], before_now(days=1))
    for number in range(3):
        await ctx.sync.accounts.record_failure(
            "chess.com:ann",
            f"fault {number}",
            before_now(hours=1),
            patience=3,
            aside_until=before_now(days=-1),
        )
    lane = ctx.sync.lanes["chess.com"]
    async with ctx.leases.renewing(), lane.acquire({"run_id": "sync_games:manual:1"}):
        await lane.pause(1800)
        await lane.open_breaker(3600)
        quiet = {**environment, "CHESSCOACH_SOURCES__CONTACT": ""}
        done = await run_process(quiet, "accounts", "show", "[red]ann", "--json")
        drawn = await run_process(quiet, "accounts", "show", "ann")

    (shown,) = json.loads(done.out)
    assert (shown["failures"], shown["due"], shown["tier"]) == (3, False, "monthly")
    assert shown["set_aside_until"] == shown["due_at"]
    assert [each["error"] for each in shown["errors"]] == ["fault 0", "fault 1", "fault 2"]
    assert datetime.fromisoformat(shown["errors"][0]["at"]) < datetime.now(UTC)
    assert (shown["sealed_months"], shown["gone_months"]) == (["2026-04"], ["2026-06"])
    assert shown["open_months"][:2] == ["2026-05", "2026-07"]
    site = shown["site"]
    assert datetime.fromisoformat(site["closed_until"]) > datetime.fromisoformat(
        site["paused_until"]
    )
    assert (site["held_by"]["run_id"], site["contact_missing"]) == ("sync_games:manual:1", True)
    for said in (
        "active; not found at the last 2 checks",
        "[red]ann as Ann",
        "3 in a row; next try at 20",
        "UTC: fault 2",
        "breaker open until 20",
        "paused until 20",
        "in use by sync_games:manual:1",
        "[sources] contact",
    ):
        assert said in drawn.out, drawn.out


async def test_what_cannot_be_shown_is_one_line_that_says_what_to_do(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    db.users.insert_one({"user_id": "bob", "lichess_username": "a/b"})
    for name, said in (
        ("zoe", "account 'zoe' does not exist: give a name on Lichess or Chess.com, a user_id,"),
        ("zoe", "`chesscoach accounts list`"),
        ("ann", "no run has checked it yet: run `python -m chesscoach.jobs.sync_games --user ann`"),
        ("lichess:ANN", "no run has checked it yet"),
        ("bob", "'bob' has linked no name that a source can have"),
    ):
        done = await run_process(environment, "accounts", "show", name, "--json")
        assert (done.code, done.out) == (2, ""), done
        assert said in done.err.splitlines()[-1], done
        assert "Traceback" not in done.err
