"""What became of mails, what can be done about it, and how one looks."""

import hashlib
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import encode

from tests.cli.conftest import RunCli
from tests.conftest import NOON, Clock
from tests.support.processes import run

RunCliJson = Callable[..., Any]
WEEK = "2026-W42"
"""The last one that is over at NOON, a Wednesday of W43."""


def insert_email(db: Any, user_id: str, state: str, week: str = WEEK, **fields: Any) -> str:
    """A mail in the outbox."""
    key = f"weekly_summary:{user_id}:{week}"
    db.email_outbox.insert_one(
        {
            "_id": key, "kind": "weekly_summary", "user_id": user_id, "week": week, "state": state,
            "reason": None, "attempts": 1, "resends": 0, "fence": 1, "claim": "c",
            "created_at": NOON - timedelta(hours=3), "claimed_at": NOON - timedelta(hours=2),
            "finished_at": None, **fields,
        }
    )  # fmt: skip
    return key


def insert_user(db: Any, user_id: str = "ann", **fields: Any) -> None:
    """A player who wants the email, unless a field says otherwise."""
    db.users.insert_one(
        {
            "user_id": user_id, "email": f"{user_id}@example.org", "name": "Ann",
            "email_notifications": {"weekly_summary": True}, **fields,
        }
    )  # fmt: skip


def insert_game(db: Any, ended_at: str) -> None:
    """A blitz game on Lichess that Ann has won."""
    db.games.insert_one(
        {
            "game_id": f"g{ended_at}", "user_id": "ann", "platform": "lichess", "result": "1-0",
            "time_control": "blitz", "user_color": "white", "url": "https://lichess.org/abcdefgh",
            "pgn": "", "imported_at": ended_at, "ended_at": ended_at,
        }
    )  # fmt: skip


def database_digest(db: Any) -> str:
    """All that stands in the database."""
    found = hashlib.sha256()
    for name in sorted(db.list_collection_names()):
        for document in db[name].find().sort("_id"):
            found.update(encode(document))
    return found.hexdigest()


# The outbox


def test_mails_are_listed_with_a_tally_and_by_what_one_looks_for(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    ann = insert_email(db, "ann", "sent", finished_at=NOON, attempts=2, reason="event")
    bob = insert_email(db, "bob", "unknown", reason="not answered in time (for bob@example.org)")
    old = insert_email(db, "ann", "failed", "2026-W41")

    found = run_cli_json("emails", "list")

    assert [mail["id"] for mail in found["mails"]] == [ann, bob, old]
    assert found["tally"] == {
        "pending": 0, "sending": 0, "sent": 1, "skipped": 0, "failed": 1, "unknown": 1,
    }  # fmt: skip
    assert found["mails"][0]["finished_at"] == "2026-10-21T12:00:00Z"
    assert found["mails"][1]["reason"] == "not answered in time (for ***)"
    for options, ids in (
        (("--state", "unknown"), [bob]),
        (("--week", "2026-W41"), [old]),
        (("--user", "ann"), [ann, old]),
        (("--limit", "1"), [ann]),
        (("--user", "nobody"), []),
    ):
        assert [mail["id"] for mail in run_cli_json("emails", "list", *options)["mails"]] == ids
    lines = run_cli("emails", "list", "--week", WEEK).stdout.splitlines()
    assert lines[1].split() == [ann, "sent", "event", "2", "2026-10-21T12:00:00Z"]
    assert lines[2].endswith("2026-10-21T10:00:00Z")
    assert lines[-1] == f"emails of {WEEK}: 1 sent, 1 unknown"
    assert run_cli("emails", "list", "--user", "eve").stdout.endswith("emails to eve: none\n")


@pytest.mark.parametrize("state", ["failed", "skipped", "unknown"])
def test_a_mail_that_did_not_arrive_is_owed_again(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any, state: str
) -> None:
    key = insert_email(db, "ann", state, finished_at=NOON, reason="x")

    output = run_cli("emails", "resend", key).stdout

    assert output.startswith(f"{key} is pending; it was {state}\n")
    assert f"`python -m chesscoach.jobs.weekly_emails --owed --week {WEEK}`" in output
    assert ("the player gets it twice" in output) is (state == "unknown")
    (mail,) = run_cli_json("emails", "list", "--state", "pending")["mails"]
    assert (mail["id"], mail["reason"], mail["finished_at"]) == (key, "by hand", None)


@pytest.mark.parametrize("state", ["sent", "pending", "sending"])
def test_a_mail_that_is_on_its_way_or_has_arrived_is_not_owed_again(
    run_cli: RunCli, db: Any, state: str
) -> None:
    key = insert_email(db, "ann", state)
    before = database_digest(db)

    done = run_cli("emails", "resend", key, code=2)

    assert done.stderr.strip() == (
        f"chesscoach: {key} is {state}: only a failed, skipped or unknown email can be resent"
    )
    assert database_digest(db) == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("list", "--week", "last"), "expected an ISO week, such as 2026-W47"),
        (("list", "--state", "lost"), "'lost' is not one of"),
        (("list", "--limit", "0"), "--limit"),
        (("resend",), "OUTBOX_ID"),
        (("resend", "weekly:eve:2026-W42"), "email 'weekly:eve:2026-W42' does not exist"),
        (("unsuppress",), "ADDRESS"),
        (("preview",), "USER_ID"),
        (("nothing",), "No such command"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    run_cli: RunCli, args: tuple[str, ...], said: str
) -> None:
    done = run_cli("emails", *args, code=2)

    (line,) = done.stderr.splitlines()
    assert line.startswith("chesscoach: ")
    assert said in line


# Suppressed addresses


def test_suppressed_addresses_are_listed_the_newest_first_and_told_of(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    for number in range(3):
        db.email_suppressions.insert_one(
            {"_id": f"p{number}@example.org", "reason": "bounce", "event_id": None,
             "at": NOON + timedelta(hours=number)}
        )  # fmt: skip

    found = run_cli_json("emails", "suppressed", "--limit", "2")

    assert found["count"] == 3
    assert [each["address"] for each in found["newest"]] == ["p2@example.org", "p1@example.org"]
    output = run_cli("emails", "suppressed").stdout.splitlines()
    assert output[1].split() == ["p2@example.org", "bounce", "2026-10-21T14:00:00Z"]
    assert output[-1] == "suppressed: 3"
    one = run_cli("emails", "suppressed", " P0@Example.org").stdout
    assert one == "p0@example.org  bounce  2026-10-21T12:00:00Z\n"
    assert run_cli("emails", "suppressed", "eve@example.org").stdout == (
        "eve@example.org is not suppressed\n"
    )
    assert run_cli_json("emails", "suppressed", "eve@example.org") == {
        "address": "eve@example.org",
        "suppressed": None,
    }


def test_an_address_gets_mail_again(run_cli: RunCli, run_cli_json: RunCliJson, db: Any) -> None:
    db.email_suppressions.insert_one({"_id": "ann@example.org", "reason": "drop", "at": NOON})

    output = run_cli("emails", "unsuppress", "Ann@example.org").stdout

    assert output.startswith("ann@example.org gets email again")
    assert run_cli_json("emails", "suppressed")["count"] == 0
    done = run_cli("emails", "unsuppress", "ann@example.org", code=2)
    assert "ADDRESS is not suppressed" in done.stderr


# The preview


def test_a_preview_is_two_files_without_a_working_link_and_changes_nothing(
    environment: dict[str, str], run_cli: RunCli, db: Any
) -> None:
    insert_user(db)
    insert_game(db, "2026-10-16T18:00:00+00:00")
    before = database_digest(db)
    environment["CHESSCOACH_EMAILS__PUBLIC_URL"] = "https://chess.example.org/"
    environment["CHESSCOACH_EMAILS__SIGNING_KEY"] = "k" * 32

    output = run_cli("emails", "preview", "ann").stdout.splitlines()

    assert database_digest(db) == before
    fields = dict(line.split(maxsplit=1) for line in output)
    html, text = Path(fields["html"]), Path(fields["text"])
    assert html == Path(".chesscoach/preview/ann_2026-W42.html").absolute()
    assert (fields["week"], fields["timezone"], "note" in fields) == (WEEK, "UTC", False)
    assert "blitz" in html.read_text().lower()
    links = re.findall(r"https://chess.example.org/unsubscribe/([^\"]*)", html.read_text())
    assert set(links) == {"preview"}
    assert "Ann" in text.read_text()
    assert fields["subject"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email_notifications": {"weekly_summary": "yes"}}, "does not want this email"),
        ({"email": None}, "has no address"),
        ({"email": "nowhere"}, "is not a valid email address"),
        ({"email": "Bounced@example.org"}, "is suppressed"),
        ({}, "in the outbox, the email of this week is skipped (no_games)"),
    ],
)
def test_a_player_who_gets_no_email_is_previewed_all_the_same_with_the_reason(
    run_cli_json: RunCliJson, db: Any, fields: dict[str, Any], text: str
) -> None:
    db.email_suppressions.insert_one({"_id": "bounced@example.org", "reason": "drop", "at": NOON})
    insert_user(db, **fields)
    insert_game(db, "2026-10-16T18:00:00+00:00")
    if not fields:
        insert_email(db, "ann", "skipped", reason="no_games")

    preview = run_cli_json("emails", "preview", "ann")

    (remark,) = preview["remarks"]
    assert text in remark
    assert Path(preview["html"]).exists()


def test_a_week_without_anything_to_tell_shows_the_note_and_says_so(
    environment: dict[str, str], run_cli_json: RunCliJson, db: Any
) -> None:
    insert_user(db)

    found = run_cli_json("emails", "preview", "ann")

    (remark,) = found["remarks"]
    assert "the player has no activity in this week" in remark
    assert "no games" in found["subject"]
    environment["CHESSCOACH_EMAILS__NO_GAMES_NOTE"] = "true"
    assert run_cli_json("emails", "preview", "ann")["remarks"] == []


def test_the_week_is_that_of_the_schedules_zone_or_of_the_players_own(
    environment: dict[str, str], run_cli: RunCli, run_cli_json: RunCliJson, db: Any, clock: Clock
) -> None:
    insert_user(db, timezone="America/Los_Angeles")
    clock.now = NOON.replace(day=18, hour=23)  # Sunday evening in UTC, Monday in Tokyo
    made = ("--job", "weekly_emails", "--cron", "0 9 * * 1", "--timezone", "Asia/Tokyo")
    run_cli("schedules", "add", "weekly_emails", *made)

    found = run_cli_json("emails", "preview", "ann")
    assert (found["week"], found["timezone"]) == ("2026-W42", "Asia/Tokyo")

    environment["CHESSCOACH_EMAILS__DELIVER_AT"] = "local 09:00"
    found = run_cli_json("emails", "preview", "ann")
    assert (found["week"], found["timezone"]) == ("2026-W41", "America/Los_Angeles")

    assert run_cli_json("emails", "preview", "ann", "--week", "2026-W30")["week"] == "2026-W30"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("eve",), "user 'eve' does not exist"),
        (("ann", "--week", "2026-W54"), "--week: there is no such ISO week"),
        (("ann", "--week", "2026-W43"), "--week: 2026-W43 is not over yet"),
        (("ann", "--out", "taken"), "--out: taken cannot be written"),
    ],
)
def test_a_preview_of_nothing_is_refused_in_one_line(
    run_cli: RunCli, db: Any, args: tuple[str, ...], said: str
) -> None:
    insert_user(db)
    Path("taken").write_text("")

    done = run_cli("emails", "preview", *args, code=2)

    (line,) = done.stderr.splitlines()
    assert said in line


async def test_the_preview_opens_in_a_browser_and_stays_in_its_folder(
    environment: dict[str, str], db: Any, tmp_path: Path
) -> None:
    insert_user(db, "../../ann")
    browser = tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\nimport sys\nopen('opened', 'w').write(sys.argv[1])\n")
    browser.chmod(0o755)

    done = await run(
        {**environment, "BROWSER": f"{browser} %s"},
        "chesscoach.cli", "emails", "preview", "../../ann", "--open", "--out", "p", "--json",
    )  # fmt: skip

    assert (done.code, done.err) == (0, "")
    assert done.record["opened"] is True
    assert (tmp_path / "opened").read_text() == Path(done.record["html"]).as_uri()
    names = sorted(Path(done.record[kind]).name for kind in ("html", "text"))
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == names


async def test_where_there_is_no_browser_it_says_so_and_leaves_with_0(
    environment: dict[str, str], db: Any, tmp_path: Path
) -> None:
    insert_user(db)

    nothing = {**environment, "PATH": str(tmp_path)}

    done = await run(nothing, "chesscoach.cli", "emails", "preview", "ann", "--open")

    assert (done.code, done.err) == (0, "")
    assert "no browser can be opened here" in done.out
