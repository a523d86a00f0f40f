"""What became of emails, and what can be done about it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.cli.conftest import RunCli, RunJson
from tests.conftest import NOON
from tests.support.emails.outbox_documents import WEEK, database_digest, insert_email

# The outbox


def test_emails_are_listed_with_counts_and_filtered(
    run_cli: RunCli, run_cli_json: RunJson, db: Any
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
def test_an_email_that_did_not_arrive_is_pending_again(
    run_cli: RunCli, run_cli_json: RunJson, db: Any, state: str
) -> None:
    key = insert_email(db, "ann", state, finished_at=NOON, reason="x")

    output = run_cli("emails", "resend", key).stdout

    assert output.startswith(f"{key} is pending; it was {state}\n")
    assert f"`python -m chesscoach.jobs.weekly_emails --owed --week {WEEK}`" in output
    assert ("the player gets it twice" in output) is (state == "unknown")
    (mail,) = run_cli_json("emails", "list", "--state", "pending")["mails"]
    assert (mail["id"], mail["reason"], mail["finished_at"]) == (key, "by hand", None)


@pytest.mark.parametrize("state", ["sent", "pending", "sending"])
def test_an_email_in_flight_or_delivered_is_not_pending_again(
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
        (("list", "--week", "last"), "'last' is not an ISO week, such as 2026-W47"),
        (("list", "--state", "lost"), "'lost' is not one of"),
        (("list", "--limit", "0"), "--limit"),
        (("resend",), "OUTBOX_ID"),
        (("resend", "weekly:eve:2026-W42"), "email 'weekly:eve:2026-W42' does not exist"),
        (("unsuppress",), "ADDRESS"),
        (("preview",), "USER_ID"),
        (("nothing",), "No such command"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    run_cli: RunCli, args: tuple[str, ...], said: str
) -> None:
    done = run_cli("emails", *args, code=2)

    (line,) = done.stderr.splitlines()
    assert line.startswith("chesscoach: ")
    assert said in line


# Suppressed addresses


def test_suppressed_addresses_are_listed_the_newest_first(
    run_cli: RunCli, run_cli_json: RunJson, db: Any
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


def test_an_address_gets_email_again(run_cli: RunCli, run_cli_json: RunJson, db: Any) -> None:
    db.email_suppressions.insert_one({"_id": "ann@example.org", "reason": "drop", "at": NOON})

    output = run_cli("emails", "unsuppress", "Ann@example.org").stdout

    assert output.startswith("ann@example.org gets email again")
    assert run_cli_json("emails", "suppressed")["count"] == 0
    done = run_cli("emails", "unsuppress", "ann@example.org", code=2)
    assert "ADDRESS is not suppressed" in done.stderr
