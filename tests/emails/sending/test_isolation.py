"""What is wrong with one player's data costs that player's email, and no other."""

from typing import Any

import bson
import pytest
from bson.code import Code
from bson.raw_bson import RawBSONDocument

from tests.support.emails.email_scenario import MONDAY, EmailScenario, email_id

CODE = Code("x")
"""A BSON value that is a text in Python, but has no hash."""


async def test_a_value_of_any_type_in_a_user_hinders_no_other(emails: EmailScenario) -> None:
    values: list[Any] = [CODE, float("nan"), ["x"], {"x": 1}, b"x", "\ufeff", "\x00"]
    emails.change_settings(deliver_at="local 09:00")
    emails.add_user("ann")
    for field in ("email", "name", "timezone", "language"):
        for number, value in enumerate(values):
            emails.add_user(f"{field}{number}", **{field: value})
    emails.add_user("zoe")
    await emails.run()
    mailed = {email_id(f"{field}{number}") for field in ("name", "timezone", "language")
              for number in range(len(values))}  # fmt: skip
    assert mailed | {email_id("ann"), email_id("zoe")} <= set(emails.accepted_ids)


async def test_a_value_of_any_type_in_a_game_does_not_fail_its_player(
    emails: EmailScenario,
) -> None:
    fields = ("game_id", "platform", "time_control", "user_color", "result", "opponent", "url",
              "username", "pgn", "variant", "user_rating", "imported_at", "ended_at")  # fmt: skip
    values: list[object] = [CODE, float("nan"), ["x"], {"x": 1}, b"x", None, 2**60, True]
    move = {"evaluation": "good"}
    for field in fields:
        emails.add_user(field)
        game = emails.db.games.find_one({"user_id": field}, {"_id": 0})
        emails.db.games.insert_many(
            game | {"game_id": f"{field}{number}"} | {field: value}
            for number, value in enumerate(values)
        )
        emails.db.game_analyses.insert_many(
            {
                "user_id": field,
                "game_id": game_id,
                "created_at": MONDAY,
                "stockfish_analysis": {"accuracy": 90, "move_evaluations": [move] * 3},
            }
            for game_id in (CODE, f"{field}0", [f"{field}0"])
        )
    await emails.run()
    assert sorted(emails.accepted_ids) == sorted(map(email_id, fields))


async def test_a_name_with_broken_characters_is_shown_as_far_as_it_can_be(
    emails: EmailScenario,
) -> None:
    user = {"user_id": "odd", "email": "odd@example.org", "email_notifications": True}
    raw = bson.encode(user | {"name": "Zo@@"}).replace(b"@@", b"\xed\xa0")
    emails.db.users.insert_one(RawBSONDocument(raw))
    emails.add_game("odd", MONDAY.replace(day=20))
    await emails.run()
    (email,) = emails.sendgrid.accepted
    assert "Hello Zo\ufffd" in email.payload["content"][0]["value"]


@pytest.mark.parametrize("dry", [False, True])
async def test_data_that_fail_the_read_of_a_batch_fail_their_player_alone(
    emails: EmailScenario, dry: bool
) -> None:
    emails.add_users(12)
    analysis: dict[str, Any] = {
        "user_id": "u007",
        "created_at": MONDAY.replace(day=20),
        "stockfish_analysis": {"accuracy": 90, "move_evaluations": [{"evaluation": "good"}] * 3},
    }
    emails.db.game_analyses.insert_many(  # together too large for one document
        [analysis | {"game_id": f"{number}" + "x" * 6_000_000} for number in range(3)]
    )
    ending = await (emails.run_dry() if dry else emails.run())
    assert (ending.record["candidates"], ending.record["failed"]) == (12, 1)
    (error,) = ending.record["errors"]
    assert (error["user_id"], "MongoDB refused" in error["error"]) == ("u007", True)
    assert len(emails.accepted_ids) == (0 if dry else 11)
    if not dry:
        assert emails.states()["u007"] == "pending"


async def test_a_frozen_message_that_cannot_be_read_fails_its_email_alone(
    emails: EmailScenario,
) -> None:
    for name in ("ann", "bob"):
        emails.add_user(name)
    emails.change_sendgrid_settings(events_key=emails.sendgrid.events_key, resend_after_s=60.0)
    emails.sendgrid.faults.extend(["cut", "cut"])
    await emails.run()
    emails.db.email_outbox.update_one({"user_id": "ann"}, {"$set": {"letter": b"torn"}})
    emails.clock.move(hours=1)
    ending = await emails.run()
    assert emails.accepted_ids == [email_id("bob")]
    assert ending.record["errors"][0]["user_id"] == "ann"


@pytest.mark.parametrize("owed", [False, True])
async def test_values_of_any_type_in_the_outbox_do_not_affect_other_emails(
    emails: EmailScenario, owed: bool
) -> None:
    fields = ("user_id", "kind", "state", "reason", "attempts", "resends", "lease", "fence",
              "claim", "created_at", "claimed_at", "until", "finished_at", "letter")  # fmt: skip
    values: list[object] = [CODE, {"x": 1}, 1.5, float("nan")]
    entry = {"kind": "weekly_summary", "week": "2026-W47", "state": "pending", "attempts": 0}
    for field in fields:
        # An array in an indexed field would change the plans of other tests on this database.
        arrays = [] if field in ("user_id", "state") else [["x"]]
        for number, value in enumerate([*values, *arrays]):
            emails.add_user(user_id := f"{field}{number}")
            odd = entry | {"_id": email_id(user_id), "user_id": user_id, field: value}
            emails.db.email_outbox.insert_one(odd)
    emails.add_user("zoe")
    emails.db.email_outbox.insert_one(
        entry | {"_id": email_id("zoe"), "user_id": "zoe", "created_at": MONDAY, "claim": None}
    )
    await emails.run(owed=owed)
    assert email_id("zoe") in emails.accepted_ids
    assert len(emails.accepted_ids) == len(set(emails.accepted_ids))


async def test_a_sender_name_that_is_not_unicode_is_reported_for_each_email(
    emails: EmailScenario,
) -> None:
    emails.add_users(3)
    emails.change_settings(sender_name="Coach \udcff")
    ending = await emails.run()
    assert (ending.record["outcome"], ending.record["failed"]) == ("partial", 3)
    assert emails.sendgrid.requests == 0
    assert set(emails.states().values()) == {"pending"}
