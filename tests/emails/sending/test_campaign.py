import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.context import open_context, utc_now
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.sending.audience import Audience
from chesscoach.emails.sending.composition import (
    KIND,
    ComposerDependencies,
    DueEmail,
    EmailComposer,
)
from chesscoach.emails.sending.sender import EmailSender
from chesscoach.emails.store.recipients import PAGE_SIZE
from chesscoach.emails.transports.sendgrid import SendGridTransport
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.errors import ConfigError, StoreUnavailable
from chesscoach.jobs import weekly_emails
from chesscoach.worker.job import Run
from chesscoach.worker.runner import runner
from chesscoach.worker.shard import Shard
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock
from tests.support.email_scenario import KEY, MONDAY, EmailScenario, email_id
from tests.support.fake_sendgrid import FakeSendGrid
from tests.support.processes import run

JOB = "chesscoach.jobs.weekly_emails"


@pytest.fixture
async def emails(long_lease_settings: Settings, db: Any) -> AsyncIterator[EmailScenario]:
    """A club on a prepared database, at nine on Monday, whose mail goes to a stand-in."""
    sendgrid = FakeSendGrid(key=KEY)
    async with sendgrid.serve():
        process = replace(
            long_lease_settings.process, sendgrid_key=KEY, sender_email="coach@example.org"
        )
        made = EmailScenario(
            replace(long_lease_settings, process=process), db, sendgrid, Clock(MONDAY)
        )
        made.change_settings(public_url="https://chess.example.org", signing_key="k" * 32)
        made.change_sendgrid_settings(base_url=sendgrid.url, timeout_s=1.0)
        async with open_context(made.settings, made.clock) as ctx:
            await ctx.indexes.create()
        yield made


# Who


async def test_everybody_who_wants_the_mail_gets_one(emails: EmailScenario) -> None:
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


@pytest.mark.parametrize("args", [{}, {"owed": True}])
async def test_parts_side_by_side_send_each_mail_once(
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


async def test_an_address_that_is_none_is_skipped_and_nothing_leaves(emails: EmailScenario) -> None:
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


async def change_during_run(post: EmailScenario, change: Callable[[], object]) -> None:
    """A run in which something changes while the first mail, which goes alone, is on its way."""
    post.sendgrid.delay_s = 0.4
    running = asyncio.create_task(post.run())
    while not post.sendgrid.in_flight:
        await asyncio.sleep(0.01)
    change()
    await running


async def test_a_bounce_between_enqueuing_and_sending_is_heeded(emails: EmailScenario) -> None:
    for name in ("ann", "bob"):
        emails.add_user(name)
    bounced = [{"_id": f"{name}@example.org"} for name in ("ann", "bob")]
    await change_during_run(emails, lambda: emails.db.email_suppressions.insert_many(bounced))
    assert len(emails.accepted_ids) == 1
    assert sorted(emails.states().values()) == ["sent", "skipped"]
    assert "suppressed" in emails.reasons().values()


async def test_who_unsubscribes_between_enqueuing_and_sending_gets_nothing(
    emails: EmailScenario,
) -> None:
    for name in ("ann", "bob"):
        emails.add_user(name)
    off = {"$set": {"email_notifications": False}}
    await change_during_run(emails, lambda: emails.db.users.update_many({}, off))
    assert len(emails.accepted_ids) == 1
    assert "unsubscribed" in emails.reasons().values()


async def test_who_has_nothing_to_be_told_gets_no_mail_and_the_reason_is_kept(
    emails: EmailScenario,
) -> None:
    emails.add_user("idle", games=0)
    emails.add_user("busy")
    ending = await emails.run()
    assert emails.accepted_ids == [email_id("busy")]
    assert emails.reasons()["idle"] == "no_games"
    assert ending.record["notes"]["skipped_no_games"] == 1


async def test_a_note_is_sent_to_the_idle_where_that_is_set(emails: EmailScenario) -> None:
    emails.change_settings(no_games_note=True)
    emails.add_user("idle", games=0)
    await emails.run()
    assert emails.accepted_ids == [email_id("idle")]


async def test_one_user_alone_is_mailed_by_name(emails: EmailScenario) -> None:
    for name in ("ann", "bob"):
        emails.add_user(name)
    await emails.run(user="bob")
    assert emails.accepted_ids == [email_id("bob")]
    assert (await emails.run(user="nobody")).exit_code == 2


# Which week, and when


async def test_the_week_is_the_last_closed_one_of_the_schedules_zone(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.clock.now = MONDAY.replace(hour=0) - timedelta(minutes=1)
    emails.add_game("ann", MONDAY - timedelta(days=9))
    await emails.run()
    emails.clock.move(minutes=1)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann", "2026-W46"), email_id("ann", "2026-W47")]


async def test_a_run_by_hand_on_any_day_sends_what_the_week_still_owes(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    await emails.run()
    emails.add_user("bob")
    emails.clock.move(days=5)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann"), email_id("bob")]


async def test_another_week_is_told_of_by_name(emails: EmailScenario) -> None:
    emails.add_user("ann", at=MONDAY - timedelta(days=16))
    await emails.run(week="2026-W45")
    assert emails.accepted_ids == [email_id("ann", "2026-W45")]


async def test_a_week_is_refused_once_the_outbox_may_have_forgotten_its_mails(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann", at=MONDAY - timedelta(days=400))
    assert (await emails.run(week="2025-W43")).exit_code == 0
    refused = await emails.run(week="2025-W42")
    assert refused.exit_code == 2
    assert "keep_outbox_days" in refused.record["errors"][0]["error"]


@pytest.mark.parametrize("week", ["2026-W48", "2026-W54", "2026-47", "last", "2026-W00", ""])
async def test_a_week_that_is_none_or_not_over_is_refused(emails: EmailScenario, week: str) -> None:
    emails.add_user("ann")
    ending = await emails.run(week=week)
    assert ending.exit_code == 2
    assert "--week" in ending.record["errors"][0]["error"]
    assert emails.sendgrid.requests == 0


async def test_a_slot_that_is_more_than_36_hours_late_is_missed(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.clock.now = MONDAY + timedelta(hours=36, seconds=1)
    ending = await emails.run_slot(MONDAY)
    assert ending.record["outcome"] == "missed"
    assert emails.sendgrid.requests == 0


async def test_a_slot_within_36_hours_is_worked_for_its_own_week(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.clock.now = MONDAY + timedelta(hours=35)
    assert (await emails.run_slot(MONDAY)).record["outcome"] == "succeeded"
    assert emails.accepted_ids == [email_id("ann")]


@pytest.fixture
def local_delivery(emails: EmailScenario) -> EmailScenario:
    """The same, each player at nine of his own Monday."""
    emails.change_settings(deliver_at="local 09:00", timezone="Europe/Berlin")
    schedules = dict(emails.settings.config.schedules)
    hourly = replace(schedules["weekly_emails"], cron="0 * * * *", misfire_grace_s=3600.0)
    config = replace(emails.settings.config, schedules={**schedules, "weekly_emails": hourly})
    emails.settings = replace(emails.settings, config=config)
    return emails


async def test_each_player_is_mailed_at_nine_of_his_own_monday_once(
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
    slot = MONDAY - timedelta(hours=14)
    for _ in range(26):  # Sunday 20:00 to Monday 21:00
        slot += timedelta(hours=1)
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


async def test_at_local_times_nobody_gets_a_stale_mail(local_delivery: EmailScenario) -> None:
    local_delivery.add_user("ann", timezone="UTC")
    late = MONDAY + timedelta(hours=37)
    local_delivery.clock.now = late
    await local_delivery.run_slot(late)
    assert local_delivery.states() == {}
    await local_delivery.run()  # by hand it is never too late
    assert local_delivery.accepted_ids == [email_id("ann")]


def test_with_local_times_the_schedule_runs_hourly() -> None:
    environ = {"CHESSCOACH_EMAILS__DELIVER_AT": "local 09:00"}
    assert config.load(None, environ).config.schedules["weekly_emails"].cron == "0 * * * *"
    own = environ | {"CHESSCOACH_SCHEDULES__WEEKLY_EMAILS__CRON": "0,30 * * * 1"}
    assert config.load(None, own).config.schedules["weekly_emails"].cron == "0,30 * * * 1"


# What becomes of a mail


async def test_a_second_run_sends_nothing(emails: EmailScenario) -> None:
    for number in range(30):
        emails.add_user(f"u{number:02}")
    assert (await emails.run()).record["done"] == 30
    again = await emails.run()
    assert (again.record["candidates"], again.record["done"]) == (0, 0)
    assert len(emails.accepted_ids) == len(set(emails.accepted_ids)) == 30


async def test_the_outbox_keeps_the_providers_id(emails: EmailScenario) -> None:
    emails.add_user("ann")
    await emails.run()
    row = emails.db.email_outbox.find_one()
    assert row["message_id"] == emails.sendgrid.accepted[0].message_id


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("400", "failed"),
        ("413", "failed"),
        ("500", "unknown"),
        ("503", "unknown"),
        ("cut", "unknown"),
        ("hang", "unknown"),
        ("lost", "unknown"),
        ("late", "unknown"),
        ("garbage", "unknown"),
    ],
)
async def test_a_mail_that_was_not_taken_for_certain_is_not_sent_again(
    emails: EmailScenario, fault: Any, state: str
) -> None:
    emails.add_user("ann")
    emails.sendgrid.faults.append(fault)
    ending = await emails.run()
    assert emails.states() == {"ann": state}
    assert (ending.record["outcome"], ending.exit_code) == ("partial", 1)
    assert ending.record["errors"][0]["user_id"] == "ann"
    requests = emails.sendgrid.requests
    await emails.run()
    emails.clock.move(days=3)
    await emails.run()
    assert emails.sendgrid.requests == requests
    assert emails.states() == {"ann": state}


async def test_too_many_requests_wait_for_the_reset(emails: EmailScenario) -> None:
    for number in range(5):
        emails.add_user(f"u{number}")
    emails.sendgrid.faults.extend(["429", None, "429"])
    ending = await emails.run()
    assert (ending.record["outcome"], ending.record["done"]) == ("succeeded", 5)
    assert len(set(emails.accepted_ids)) == len(emails.accepted_ids) == 5


async def test_a_provider_that_cannot_be_reached_costs_no_mail(emails: EmailScenario) -> None:
    emails.add_user("ann")
    url = emails.settings.config.emails.sendgrid.base_url
    emails.change_sendgrid_settings(base_url="http://127.0.0.1:9")
    ending = await emails.run()
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert emails.states() == {"ann": "pending"}
    emails.change_sendgrid_settings(base_url=url)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann")]


@pytest.mark.parametrize("fault", ["401", "403", "credits", "302"])
async def test_a_bad_key_burns_one_attempt_and_not_all(emails: EmailScenario, fault: Any) -> None:
    for number in range(60):
        emails.add_user(f"u{number:02}")
    emails.sendgrid.decide = lambda payload: fault
    ending = await emails.run()
    assert emails.sendgrid.requests == 1
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert set(emails.states().values()) == {"pending"}
    emails.sendgrid.decide = None
    assert (await emails.run()).record["done"] == 60


async def test_a_key_that_is_revoked_in_mid_run_loses_no_mail(emails: EmailScenario) -> None:
    for number in range(60):
        emails.add_user(f"u{number:02}")
    emails.sendgrid.faults.extend([None] * 25)
    emails.sendgrid.delay_s = 0.02
    emails.sendgrid.decide = lambda payload: "401" if len(emails.accepted_ids) >= 25 else None
    ending = await emails.run()
    assert ending.record["outcome"] == "failed"
    taken = len(emails.accepted_ids)
    states = list(emails.states().values())
    assert states.count("sent") == taken
    assert states.count("pending") == 60 - taken
    emails.sendgrid.decide = None
    await emails.run()
    assert sorted(emails.accepted_ids) == [email_id(f"u{number:02}") for number in range(60)]


async def test_mails_that_are_all_refused_stop_the_run(emails: EmailScenario) -> None:
    for number in range(60):
        emails.add_user(f"u{number:02}")
    emails.sendgrid.decide = lambda payload: "400"
    ending = await emails.run()
    assert ending.record["outcome"] == "failed"
    assert emails.sendgrid.requests == 10
    states = list(emails.states().values())
    assert (states.count("failed"), states.count("pending")) == (10, 50)


async def test_so_many_are_on_their_way_at_a_time_and_the_first_goes_alone(
    emails: EmailScenario,
) -> None:
    for number in range(120):
        emails.add_user(f"u{number:03}")
    emails.change_sendgrid_settings(in_flight=7)
    emails.sendgrid.delay_s = 0.15
    alone: list[int] = []

    def look(payload: dict[str, Any]) -> None:
        alone.append(emails.sendgrid.in_flight)

    emails.sendgrid.decide = look
    await emails.run()
    assert len(emails.accepted_ids) == 120
    assert alone[0] == 1
    assert emails.sendgrid.max_in_flight == 7


async def test_the_next_players_are_read_while_those_before_are_mailed(
    emails: EmailScenario,
) -> None:
    for number in range(PAGE_SIZE + 1):  # of whom few have played
        emails.add_user(f"u{number:03}", games=int(number < 40))
    emails.change_sendgrid_settings(in_flight=2)
    emails.sendgrid.delay_s = 0.05
    running = asyncio.create_task(emails.run())
    async with asyncio.timeout(20):
        while await asyncio.to_thread(emails.db.email_outbox.count_documents, {}) <= PAGE_SIZE:
            await asyncio.sleep(0.01)
    mailed = len(emails.accepted_ids)
    await running
    assert mailed < 30
    assert len(emails.accepted_ids) == 40


async def test_a_read_that_fails_lets_what_is_on_its_way_come_to_its_end(
    emails: EmailScenario,
) -> None:
    for number in range(10):
        emails.add_user(f"u{number}")
    emails.sendgrid.delay_s = 0.05
    async with open_context(emails.settings, emails.clock) as ctx, AsyncExitStack() as stack:
        run = Run("r", slot=None, manual=True, dry_run=False, stop=ShutdownRequest(), fence=1)
        configured = ctx.config.emails
        out = SendGridTransport(configured.sendgrid, KEY, "coach@example.org", "Coach", 30, utc_now)
        await stack.enter_async_context(out)
        links = UnsubscribeLinks(configured.public_url, configured.signing_keys, 30, ctx.now)
        desk = ComposerDependencies(
            renderer=await asyncio.to_thread(Renderer, configured), links=links, repeatable=False
        )

        async def pages() -> AsyncIterator[Sequence[DueEmail]]:
            async for page in Audience(ctx.emails, run, ZoneInfo("UTC"), None, None).subscribers():
                yield page
            while emails.sendgrid.in_flight < 5:
                await asyncio.sleep(0.001)
            raise StoreUnavailable("gone")

        with pytest.raises(StoreUnavailable):
            await EmailSender(ctx.emails, run, KIND, out).deliver(
                EmailComposer(ctx.emails, run, desk).batches(pages())
            )
    assert set(emails.states().values()) <= {"sent", "pending"}
    assert list(emails.states().values()).count("sent") == len(emails.accepted_ids) >= 5


async def test_a_sandboxed_mail_does_not_count_as_sent(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.change_sendgrid_settings(sandbox=True)
    ending = await emails.run()
    assert (emails.sendgrid.sandboxed, emails.accepted_ids) == (1, [])
    assert emails.states() == {"ann": "skipped"}
    assert (ending.record["done"], ending.record["skipped"]) == (0, 1)


async def test_what_is_unknown_is_sent_once_more_where_events_have_told_of_none(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    emails.change_sendgrid_settings(events_key=emails.sendgrid.events_key, resend_after_s=3600.0)
    emails.sendgrid.faults.extend(["cut", "cut"])
    await emails.run()
    emails.clock.move(minutes=59)
    await emails.run()
    assert emails.sendgrid.requests == 1
    emails.clock.move(minutes=2)
    await emails.run()
    assert emails.sendgrid.requests == 2
    emails.clock.move(hours=2)
    await emails.run()
    assert emails.sendgrid.requests == 2, "only once"
    assert emails.states() == {"ann": "unknown"}


async def test_what_an_event_has_told_of_is_not_sent_again(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.change_sendgrid_settings(events_key=emails.sendgrid.events_key, resend_after_s=60.0)
    emails.sendgrid.faults.append("lost")
    await emails.run()
    assert emails.states() == {"ann": "unknown"}
    async with open_context(emails.settings, emails.clock) as ctx:
        assert await ctx.emails.outbox.confirm_accepted({email_id("ann"): emails.clock.now}) == 1
    emails.clock.move(hours=1)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann")]
    assert emails.states() == {"ann": "sent"}


async def test_a_resend_is_the_very_mail(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.change_sendgrid_settings(events_key=emails.sendgrid.events_key, resend_after_s=60.0)
    emails.sendgrid.faults.append("lost")
    await emails.run()
    emails.db.users.update_one({}, {"$set": {"name": "Somebody Else", "email": "new@example.org"}})
    emails.clock.move(hours=1)
    await emails.run()
    first, second = emails.sendgrid.accepted
    assert first.payload == second.payload


@pytest.mark.parametrize(
    ("lease", "late", "state"),
    [
        ("weekly_emails", False, "unknown"),
        ("weekly_emails#0/4", False, "sending"),
        ("weekly_emails#0/4", True, "unknown"),
    ],
)
async def test_an_email_that_a_dead_process_was_sending_is_unknown_under_its_lease_at_once(
    lease: str, late: bool, state: str, emails: EmailScenario
) -> None:
    """Under the lease of a shard, whose process may live, when the attempt must have ended."""
    emails.add_user("ann")
    emails.add_user("bob")
    await emails.run(user="bob")
    emails.db.email_outbox.insert_one(
        {
            "_id": email_id("ann"),
            "kind": "weekly_summary",
            "user_id": "ann",
            "week": "2026-W47",
            "state": "sending",
            "lease": lease,
            "fence": 1,
            "claim": "another's",
            "claimed_at": MONDAY,
            "until": MONDAY + timedelta(hours=-1 if late else 1),
        }
    )
    ending = await emails.run()
    assert emails.states()["ann"] == state
    note = "emails_still_unknown" if state == "unknown" else "emails_in_progress"
    assert ending.record["notes"][note] == 1
    assert emails.accepted_ids == [email_id("bob")]


async def test_a_stopped_run_leaves_nothing_half_done(emails: EmailScenario) -> None:
    for number in range(80):
        emails.add_user(f"u{number:02}")
    emails.sendgrid.delay_s = 0.02
    stop = ShutdownRequest()

    def ask(payload: dict[str, Any]) -> None:
        if len(emails.accepted_ids) == 30:
            stop.request()

    emails.sendgrid.decide = ask
    ending = await emails.run(stop)
    assert ending.record["outcome"] == "cancelled"
    states = list(emails.states().values())
    assert set(states) == {"sent", "pending"}
    assert states.count("sent") == len(emails.accepted_ids) < 80
    await emails.run()
    assert len(emails.accepted_ids) == len(set(emails.accepted_ids)) == 80


# What the outbox still owes


async def test_the_later_run_sends_what_the_outbox_owes_and_looks_for_nobody_new(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    emails.sendgrid.decide = lambda payload: "401"
    await emails.run_slot(MONDAY)
    emails.sendgrid.decide = None
    emails.add_user("bob")
    later = MONDAY + timedelta(hours=1, minutes=30)
    emails.clock.now = later
    assert (await emails.run_slot(later, "weekly_emails_owed")).record["done"] == 1
    assert emails.accepted_ids == [email_id("ann")]


async def test_the_later_run_sends_nothing_stale(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.sendgrid.decide = lambda payload: "401"
    await emails.run_slot(MONDAY)
    emails.sendgrid.decide = None
    late = MONDAY + timedelta(hours=37, minutes=30)
    emails.clock.now = late
    await emails.run_slot(late, "weekly_emails_owed")
    assert emails.states() == {"ann": "pending"}
    await emails.run(owed=True)
    assert emails.accepted_ids == [email_id("ann")]


async def test_who_has_unsubscribed_since_is_owed_nothing(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.sendgrid.decide = lambda payload: "401"
    await emails.run()
    emails.sendgrid.decide = None
    emails.db.users.update_one({}, {"$set": {"email_notifications": {"weekly_summary": False}}})
    await emails.run(owed=True)
    assert emails.accepted_ids == []
    assert emails.reasons() == {"ann": "unsubscribed"}


# Where it goes


async def test_without_a_key_mails_are_files(emails: EmailScenario, tmp_path: Path) -> None:
    emails.settings = replace(
        emails.settings,
        process=replace(emails.settings.process, sendgrid_key=None, sender_email=None),
    )
    emails.change_settings(outbox_dir=str(tmp_path / "mails"), public_url="", signing_key="")
    emails.add_user("ann")
    await emails.run()
    (file,) = await asyncio.to_thread(lambda: list((tmp_path / "mails").iterdir()))
    read = message_from_bytes(await asyncio.to_thread(file.read_bytes), policy=policy.default)
    assert read["To"] == "ann@example.org"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/unsubscribe/" in read["List-Unsubscribe"]
    assert emails.states() == {"ann": "sent"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("public_url", {"public_url": ""}),
        ("signing_key", {"signing_key": ""}),
        ("signing_key", {"signing_key": " , "}),
    ],
)
async def test_with_a_key_it_does_not_start_without_what_goes_with_it(
    emails: EmailScenario, name: str, change: dict[str, str]
) -> None:
    emails.add_user("ann")
    emails.change_settings(**change)
    ending = await emails.run()
    assert ending.exit_code == 2
    assert name in ending.record["errors"][0]["error"]
    assert emails.states() == {}


async def test_with_a_key_it_does_not_start_without_a_sender(emails: EmailScenario) -> None:
    emails.add_user("ann")
    process = replace(emails.settings.process, sender_email=None)
    emails.settings = replace(emails.settings, process=process)
    ending = await emails.run()
    assert ending.exit_code == 2
    assert "SENDER_EMAIL" in ending.record["errors"][0]["error"]


async def test_every_mail_carries_a_link_that_ends_it_and_no_person_in_its_arguments(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    await emails.run()
    payload = emails.sendgrid.accepted[0].payload
    (to,) = payload["personalizations"]
    headers = payload.get("headers", {}) | to.get("headers", {})
    assert headers["List-Unsubscribe"].startswith("<https://chess.example.org/unsubscribe/")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    told = str(payload.get("custom_args", {}) | to.get("custom_args", {}))
    assert "@" not in told
    assert "Ann" not in told
    assert "ann" not in str(payload.get("categories", []))


async def test_a_rehearsal_counts_and_writes_nothing(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.add_user("idle", games=0)
    async with open_context(emails.settings, emails.clock) as ctx:
        args = weekly_emails.JOB.check({})
        told = await runner.dry_run(ctx.worker, weekly_emails.JOB, args, ShutdownRequest())
    assert told.record["notes"] == {"would_send": 1, "skipped_no_games": 1}
    assert emails.sendgrid.requests == 0
    assert emails.states() == {}


async def test_one_user_whose_data_cannot_be_read_hinders_no_other(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.add_user("odd", name={"first": 1}, games=0)
    emails.db.games.insert_one({"user_id": "odd", "game_id": 7, "ended_at": "garbage", "pgn": 3})
    emails.db.game_analyses.insert_one(
        {"user_id": "odd", "created_at": 12, "stockfish_analysis": 5}
    )
    emails.db.player_profiles.insert_one({"user_id": "odd", "top_weaknesses": "x", "strengths": 3})
    emails.db.user_progress.insert_one({"user_id": "odd", "level": "high"})
    ending = await emails.run()
    assert ending.record["done"] == 1
    assert emails.reasons()["odd"] == "no_games"


async def test_the_jobs_own_command_refuses_without_settings_and_says_their_name(
    environment: dict[str, str],
) -> None:
    found = await run({**environment, "SENDGRID_API_KEY": "SG.x.y"}, JOB)
    assert found.code == 2
    assert all(name in found.out for name in ("SENDER_EMAIL", "public_url", "signing_key"))
    assert "SG.x.y" not in found.out + found.err


async def test_owed_is_for_everybody(emails: EmailScenario) -> None:
    emails.add_user("ann")
    assert (await emails.run(owed=True, user="ann")).exit_code == 2
    with pytest.raises(ConfigError):
        await emails.run(weeks=1)
