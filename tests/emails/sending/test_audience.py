"""Who gets the weekly email, of which week, and when."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chesscoach import config
from chesscoach.worker.shard import Shard
from tests.support.emails.email_scenario import MONDAY, EmailScenario, email_id


async def test_every_player_who_wants_the_email_gets_one(emails: EmailScenario) -> None:
    emails.add_user("dict")
    emails.add_user("bare", email_notifications=True)
    emails.add_user("others", email_notifications={"weekly_summary": False, "game_analyzed": True})
    emails.add_user("off", email_notifications=False)
    emails.add_user("unset", email_notifications=...)
    emails.add_user("text", email_notifications={"weekly_summary": "true"})
    emails.add_user("mute", email=...)
    emails.add_user("void", email="")
    ending = await emails.run()
    assert sorted(emails.accepted_ids) == [email_id("bare"), email_id("dict")]
    assert emails.states() == {"dict": "sent", "bare": "sent"}
    assert (ending.record["done"], ending.record["skipped"]) == (2, 2)
    assert ending.record["notes"]["skipped_no_address"] == 2


@pytest.mark.parametrize("default_opt_in", [False, True])
async def test_an_opt_out_counts_and_the_default_applies_to_users_without_a_choice(
    emails: EmailScenario, default_opt_in: bool
) -> None:
    emails.add_user("out", email_opt_out=True)
    emails.add_user("out_bare", email_notifications=True, email_opt_out=True)
    emails.add_user("out_unset", email_notifications=..., email_opt_out=True)
    emails.add_user("unset", email_notifications=...)
    emails.add_user("chosen", email_opt_out=False)
    emails.change_settings(default_opt_in=default_opt_in)
    expected = ["chosen", "unset"] if default_opt_in else ["chosen"]

    dry = await emails.run_dry()
    await emails.run()

    assert dry.record["notes"]["would_send"] == len(expected)
    assert sorted(emails.accepted_ids) == [email_id(name) for name in expected]


@pytest.mark.parametrize("args", [{}, {"owed": True}])
async def test_concurrent_shards_send_each_email_once(
    emails: EmailScenario, args: dict[str, Any]
) -> None:
    names = [f"u{number}" for number in range(40)]
    for name in names:
        emails.add_user(name)
    if args:
        emails.sendgrid.faults.append("401")  # stops the run: all the others stay owed
        await emails.run()
    parts = [Shard(index=index, of=3) for index in range(3)]

    endings = await asyncio.gather(*(emails.run(shard=shard, **args) for shard in parts))

    assert [ending.exit_code for ending in endings] == [0, 0, 0]
    assert [ending.record["done"] for ending in endings] == [
        sum(shard.contains(name) for name in names) for shard in parts
    ]
    assert sorted(emails.accepted_ids) == sorted(map(email_id, names))


async def test_an_invalid_address_is_skipped_and_no_request_is_sent(emails: EmailScenario) -> None:
    for number, address in enumerate(["nobody", "a b@x.org", "a@x.org\nBcc: b@x.org", "a@x@y"]):
        emails.add_user(f"u{number}", email=address)
    await emails.run()
    assert emails.sendgrid.requests == 0
    assert set(emails.reasons().values()) == {"bad_address"}


async def test_a_suppressed_address_gets_nothing_however_it_is_spelled(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann", email="Ann@Example.org")
    emails.db.email_suppressions.insert_one({"_id": "ann@example.org", "reason": "bounce"})
    await emails.run()
    assert emails.sendgrid.requests == 0
    assert emails.reasons() == {"ann": "suppressed"}


@pytest.mark.parametrize("change", ["opt-out", "unsubscribed", "suppressed"])
async def test_a_change_between_enqueuing_and_sending_counts(
    emails: EmailScenario, change: str
) -> None:
    for name in ("ann", "bob"):
        emails.add_user(name)
    emails.sendgrid.released.clear()
    running = asyncio.create_task(emails.run())
    while not emails.sendgrid.in_flight:  # the first email, which goes alone
        await asyncio.sleep(0.01)
    if change == "suppressed":
        bounced = [{"_id": f"{name}@example.org"} for name in ("ann", "bob")]
        emails.db.email_suppressions.insert_many(bounced)
    else:
        no = {"email_opt_out": True} if change == "opt-out" else {"email_notifications": False}
        emails.db.users.update_many({}, {"$set": no})
    emails.sendgrid.released.set()
    await running
    assert len(emails.accepted_ids) == 1
    assert sorted(emails.states().values()) == ["sent", "skipped"]
    reason = "suppressed" if change == "suppressed" else "unsubscribed"
    assert reason in emails.reasons().values()


async def test_a_player_without_activity_gets_no_email_and_the_reason_is_stored(
    emails: EmailScenario,
) -> None:
    emails.add_user("idle", games=0)
    emails.add_user("busy")
    ending = await emails.run()
    assert emails.accepted_ids == [email_id("busy")]
    assert emails.reasons()["idle"] == "no_games"
    assert ending.record["notes"]["skipped_no_games"] == 1


async def test_a_note_is_sent_to_idle_players_if_the_setting_is_on(emails: EmailScenario) -> None:
    emails.change_settings(no_games_note=True)
    emails.add_user("idle", games=0)
    await emails.run()
    assert emails.accepted_ids == [email_id("idle")]


async def test_user_option_sends_one_email_alone(emails: EmailScenario) -> None:
    for name in ("ann", "bob"):
        emails.add_user(name)
    await emails.run(user="bob")
    assert emails.accepted_ids == [email_id("bob")]
    assert (await emails.run(user="nobody")).exit_code == 2


async def test_the_week_is_the_last_closed_one_of_the_schedules_zone(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.clock.now = MONDAY.replace(hour=0) - timedelta(minutes=1)
    emails.add_game("ann", MONDAY - timedelta(days=9))
    await emails.run()
    emails.clock.move(minutes=1)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann", "2026-W46"), email_id("ann", "2026-W47")]


async def test_a_manual_run_on_any_day_sends_the_unsent_emails_of_the_week(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    await emails.run()
    emails.add_user("bob")
    emails.clock.move(days=5)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann"), email_id("bob")]


async def test_another_week_is_sent_by_name(emails: EmailScenario) -> None:
    emails.add_user("ann", at=MONDAY - timedelta(days=16))
    await emails.run(week="2026-W45")
    assert emails.accepted_ids == [email_id("ann", "2026-W45")]


async def test_a_week_is_refused_once_the_outbox_may_have_forgotten_its_emails(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann", at=MONDAY - timedelta(days=400))
    assert (await emails.run(week="2025-W43")).exit_code == 0
    refused = await emails.run(week="2025-W42")
    assert refused.exit_code == 2
    assert "keep_outbox_days" in refused.record["errors"][0]["error"]


async def test_an_invalid_or_unfinished_week_is_refused(emails: EmailScenario) -> None:
    emails.add_user("ann")
    for week in ("2026-W48", "2026-W54", "last", ""):
        ending = await emails.run(week=week)
        assert ending.exit_code == 2
        assert "--week" in ending.record["errors"][0]["error"]
    assert emails.sendgrid.requests == 0


@pytest.mark.parametrize(
    ("late", "outcome", "accepted"),
    [
        (timedelta(hours=35), "succeeded", [email_id("ann")]),
        (timedelta(hours=36, seconds=1), "missed", []),
    ],
)
async def test_a_slot_runs_for_its_own_week_unless_it_is_more_than_36_hours_late(
    emails: EmailScenario, late: timedelta, outcome: str, accepted: list[str]
) -> None:
    emails.add_user("ann")
    emails.clock.now = MONDAY + late
    assert (await emails.run_slot(MONDAY)).record["outcome"] == outcome
    assert emails.accepted_ids == accepted


async def test_each_player_gets_one_email_at_nine_of_their_own_monday(
    local_delivery: EmailScenario,
) -> None:
    zones = {
        "auckland": "Pacific/Auckland",
        "delhi": "Asia/Kolkata",
        "honolulu": "Pacific/Honolulu",
        "nowhere": "Mars/Olympus",
        "unset": ...,
    }
    for name, zone in zones.items():
        local_delivery.add_user(name, timezone=zone, at=MONDAY - timedelta(days=3))
    sent: dict[str, str] = {}
    for hour in (-14, -13, -6, -5, -2, -1, 9, 10):  # from Sunday, 19:00
        slot = MONDAY + timedelta(hours=hour)
        local_delivery.clock.now = slot
        await local_delivery.run_slot(slot)
        for key in local_delivery.accepted_ids[len(sent) :]:
            sent[key.split(":")[1]] = f"{slot:%a %H:%M}"
    assert sent == {
        "auckland": "Sun 20:00",  # 9:00 there
        "delhi": "Mon 04:00",  # 9:30, the first full hour after 3:30
        "nowhere": "Mon 08:00",  # 9:00 in Berlin
        "unset": "Mon 08:00",
        "honolulu": "Mon 19:00",
    }
    assert sorted(local_delivery.accepted_ids) == sorted(email_id(name) for name in zones)


async def test_at_local_times_no_player_gets_a_stale_email(local_delivery: EmailScenario) -> None:
    local_delivery.add_user("ann", timezone="UTC")
    late = MONDAY + timedelta(hours=37)
    local_delivery.clock.now = late
    await local_delivery.run_slot(late)
    assert local_delivery.states() == {}
    await local_delivery.run()  # manually it is never too late
    assert local_delivery.accepted_ids == [email_id("ann")]


def test_with_local_times_the_schedule_runs_hourly() -> None:
    environ = {"CHESSCOACH_EMAILS__DELIVER_AT": "local 09:00"}
    assert config.load(None, environ).config.schedules["weekly_emails"].cron == "0 * * * *"
    own = environ | {"CHESSCOACH_SCHEDULES__WEEKLY_EMAILS__CRON": "0,30 * * * 1"}
    assert config.load(None, own).config.schedules["weekly_emails"].cron == "0,30 * * * 1"


@pytest.fixture
async def owed(emails: EmailScenario) -> EmailScenario:
    """A scenario in which Monday's run was refused: the email to Ann is owed."""
    emails.add_user("ann")
    emails.sendgrid.decide = lambda payload: "401"
    await emails.run_slot(MONDAY)
    emails.sendgrid.decide = None
    return emails


async def test_the_later_run_sends_unsent_emails_and_adds_none(
    owed: EmailScenario,
) -> None:
    owed.add_user("bob")
    owed.clock.now = later = MONDAY + timedelta(hours=1, minutes=30)
    assert (await owed.run_slot(later, "weekly_emails_owed")).record["done"] == 1
    assert owed.accepted_ids == [email_id("ann")]


async def test_the_later_run_sends_nothing_stale(owed: EmailScenario) -> None:
    owed.clock.now = late = MONDAY + timedelta(hours=37, minutes=30)
    await owed.run_slot(late, "weekly_emails_owed")
    assert owed.states() == {"ann": "pending"}
    await owed.run(owed=True)
    assert owed.accepted_ids == [email_id("ann")]


async def test_a_player_who_has_unsubscribed_since_gets_no_email(owed: EmailScenario) -> None:
    owed.db.users.update_one({}, {"$set": {"email_notifications": {"weekly_summary": False}}})
    await owed.run(owed=True)
    assert owed.accepted_ids == []
    assert owed.reasons() == {"ann": "unsubscribed"}
