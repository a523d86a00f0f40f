"""How one email looks, and for whom it is shown."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import RunCli, RunJson
from tests.conftest import NOON, Clock
from tests.support.emails.outbox_documents import WEEK, database_digest, insert_email
from tests.support.processes import run


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
    run_cli_json: RunJson, db: Any, fields: dict[str, Any], text: str
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
    environment: dict[str, str], run_cli_json: RunJson, db: Any
) -> None:
    insert_user(db)

    found = run_cli_json("emails", "preview", "ann")

    (remark,) = found["remarks"]
    assert "the player has no activity in this week" in remark
    assert "no games" in found["subject"]
    environment["CHESSCOACH_EMAILS__NO_GAMES_NOTE"] = "true"
    assert run_cli_json("emails", "preview", "ann")["remarks"] == []


def test_the_week_is_that_of_the_schedules_zone_or_of_the_players_own(
    environment: dict[str, str], run_cli: RunCli, run_cli_json: RunJson, db: Any, clock: Clock
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
        (("ann", "--week", "2026-W54"), "--week: '2026-W54' is not an ISO week, such as 2026-W47"),
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


async def test_without_a_browser_preview_says_so_and_exits_with_0(
    environment: dict[str, str], db: Any, tmp_path: Path
) -> None:
    insert_user(db)

    nothing = {**environment, "PATH": str(tmp_path)}

    done = await run(nothing, "chesscoach.cli", "emails", "preview", "ann", "--open")

    assert (done.code, done.err) == (0, "")
    assert "no browser can be opened here" in done.out
