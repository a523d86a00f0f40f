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
from chesscoach.demo.fake_sendgrid import SendGridStandIn
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.sending.audience import Who
from chesscoach.emails.sending.composition import KIND, Desk, Due, Walk
from chesscoach.emails.sending.sender import Postman
from chesscoach.emails.store.recipients import PAGE
from chesscoach.emails.transports.sendgrid import SendGridTransport
from chesscoach.emails.unsubscribe_links import Links
from chesscoach.errors import ConfigError, StoreUnavailable
from chesscoach.jobs import weekly_emails
from chesscoach.worker.job import Run, Stop
from chesscoach.worker.runner import runner
from chesscoach.worker.shard import Shard
from tests.conftest import Clock
from tests.support.email_scenario import KEY, MONDAY, Post, mail
from tests.support.processes import run

JOB = "chesscoach.jobs.weekly_emails"


@pytest.fixture
async def post(patient: Settings, db: Any) -> AsyncIterator[Post]:
    """A club on a prepared database, at nine on Monday, whose mail goes to a stand-in."""
    sendgrid = SendGridStandIn(key=KEY)
    async with sendgrid.serve():
        process = replace(patient.process, sendgrid_key=KEY, sender_email="coach@example.org")
        made = Post(replace(patient, process=process), db, sendgrid, Clock(MONDAY))
        made.set(public_url="https://chess.example.org", signing_key="k" * 32)
        made.set_sendgrid(base_url=sendgrid.url, timeout_s=1.0)
        async with open_context(made.settings, made.clock) as ctx:
            await ctx.store.prepare()
        yield made


# Who


async def test_everybody_who_wants_the_mail_gets_one(post: Post) -> None:
    post.user("dict")
    post.user("bare", email_notifications=True)
    post.user("others", email_notifications={"weekly_summary": False, "game_analyzed": True})
    post.user("off", email_notifications=False)
    post.user("unset", email_notifications=...)
    post.user("text", email_notifications={"weekly_summary": "true"})
    post.user("mute", email=...)
    post.user("void", email="")
    ending = await post.run()
    assert sorted(post.taken) == [mail("bare"), mail("dict")]
    assert post.states() == {"dict": "sent", "bare": "sent"}
    assert (ending.record["done"], ending.record["skipped"]) == (2, 2)
    assert ending.record["notes"]["skipped_no_address"] == 2


@pytest.mark.parametrize("args", [{}, {"owed": True}])
async def test_parts_side_by_side_send_each_mail_once(post: Post, args: dict[str, Any]) -> None:
    names = [f"u{number}" for number in range(40)]
    for name in names:
        post.user(name)
    if args:
        post.sendgrid.faults.append("401")  # stops the run: all the others stay owed
        await post.run()
    parts = [Shard(index=index, of=3) for index in range(3)]

    endings = await asyncio.gather(*(post.run(shard=shard, **args) for shard in parts))

    assert [ending.exit_code for ending in endings] == [0, 0, 0]
    assert [ending.record["done"] for ending in endings] == [
        sum(shard.has(name) for name in names) for shard in parts
    ]
    assert sorted(post.taken) == sorted(map(mail, names))


async def test_an_address_that_is_none_is_skipped_and_nothing_leaves(post: Post) -> None:
    for number, address in enumerate(["nobody", "a b@x.org", "a@x.org\nBcc: b@x.org", "a@x@y"]):
        post.user(f"u{number}", email=address)
    await post.run()
    assert post.sendgrid.requests == 0
    assert set(post.reasons().values()) == {"bad_address"}


async def test_a_suppressed_address_gets_nothing_however_it_is_spelled(post: Post) -> None:
    post.user("ann", email="Ann@Example.org")
    post.db.email_suppressions.insert_one({"_id": "ann@example.org", "reason": "bounce"})
    await post.run()
    assert post.sendgrid.requests == 0
    assert post.reasons() == {"ann": "suppressed"}


async def amid(post: Post, change: Callable[[], object]) -> None:
    """A run in which something changes while the first mail, which goes alone, is on its way."""
    post.sendgrid.delay_s = 0.4
    running = asyncio.create_task(post.run())
    while not post.sendgrid.in_flight:
        await asyncio.sleep(0.01)
    change()
    await running


async def test_a_bounce_between_enqueuing_and_sending_is_heeded(post: Post) -> None:
    for name in ("ann", "bob"):
        post.user(name)
    bounced = [{"_id": f"{name}@example.org"} for name in ("ann", "bob")]
    await amid(post, lambda: post.db.email_suppressions.insert_many(bounced))
    assert len(post.taken) == 1
    assert sorted(post.states().values()) == ["sent", "skipped"]
    assert "suppressed" in post.reasons().values()


async def test_who_unsubscribes_between_enqueuing_and_sending_gets_nothing(post: Post) -> None:
    for name in ("ann", "bob"):
        post.user(name)
    off = {"$set": {"email_notifications": False}}
    await amid(post, lambda: post.db.users.update_many({}, off))
    assert len(post.taken) == 1
    assert "unsubscribed" in post.reasons().values()


async def test_who_has_nothing_to_be_told_gets_no_mail_and_the_reason_is_kept(post: Post) -> None:
    post.user("idle", games=0)
    post.user("busy")
    ending = await post.run()
    assert post.taken == [mail("busy")]
    assert post.reasons()["idle"] == "no_games"
    assert ending.record["notes"]["skipped_no_games"] == 1


async def test_a_note_is_sent_to_the_idle_where_that_is_set(post: Post) -> None:
    post.set(no_games_note=True)
    post.user("idle", games=0)
    await post.run()
    assert post.taken == [mail("idle")]


async def test_one_user_alone_is_mailed_by_name(post: Post) -> None:
    for name in ("ann", "bob"):
        post.user(name)
    await post.run(user="bob")
    assert post.taken == [mail("bob")]
    assert (await post.run(user="nobody")).exit_code == 2


# Which week, and when


async def test_the_week_is_the_last_closed_one_of_the_schedules_zone(post: Post) -> None:
    post.user("ann")
    post.clock.now = MONDAY.replace(hour=0) - timedelta(minutes=1)
    post.game("ann", MONDAY - timedelta(days=9))
    await post.run()
    post.clock.move(minutes=1)
    await post.run()
    assert post.taken == [mail("ann", "2026-W46"), mail("ann", "2026-W47")]


async def test_a_run_by_hand_on_any_day_sends_what_the_week_still_owes(post: Post) -> None:
    post.user("ann")
    await post.run()
    post.user("bob")
    post.clock.move(days=5)
    await post.run()
    assert post.taken == [mail("ann"), mail("bob")]


async def test_another_week_is_told_of_by_name(post: Post) -> None:
    post.user("ann", at=MONDAY - timedelta(days=16))
    await post.run(week="2026-W45")
    assert post.taken == [mail("ann", "2026-W45")]


async def test_a_week_is_refused_once_the_outbox_may_have_forgotten_its_mails(post: Post) -> None:
    post.user("ann", at=MONDAY - timedelta(days=400))
    assert (await post.run(week="2025-W43")).exit_code == 0
    refused = await post.run(week="2025-W42")
    assert refused.exit_code == 2
    assert "keep_outbox_days" in refused.record["errors"][0]["error"]


@pytest.mark.parametrize("week", ["2026-W48", "2026-W54", "2026-47", "last", "2026-W00", ""])
async def test_a_week_that_is_none_or_not_over_is_refused(post: Post, week: str) -> None:
    post.user("ann")
    ending = await post.run(week=week)
    assert ending.exit_code == 2
    assert "--week" in ending.record["errors"][0]["error"]
    assert post.sendgrid.requests == 0


async def test_a_slot_that_is_more_than_36_hours_late_is_missed(post: Post) -> None:
    post.user("ann")
    post.clock.now = MONDAY + timedelta(hours=36, seconds=1)
    ending = await post.slot(MONDAY)
    assert ending.record["outcome"] == "missed"
    assert post.sendgrid.requests == 0


async def test_a_slot_within_36_hours_is_worked_for_its_own_week(post: Post) -> None:
    post.user("ann")
    post.clock.now = MONDAY + timedelta(hours=35)
    assert (await post.slot(MONDAY)).record["outcome"] == "succeeded"
    assert post.taken == [mail("ann")]


@pytest.fixture
def local(post: Post) -> Post:
    """The same, each player at nine of his own Monday."""
    post.set(deliver_at="local 09:00", timezone="Europe/Berlin")
    schedules = dict(post.settings.config.schedules)
    hourly = replace(schedules["weekly_emails"], cron="0 * * * *", misfire_grace_s=3600.0)
    config = replace(post.settings.config, schedules={**schedules, "weekly_emails": hourly})
    post.settings = replace(post.settings, config=config)
    return post


async def test_each_player_is_mailed_at_nine_of_his_own_monday_once(local: Post) -> None:
    zones = {
        "auckland": "Pacific/Auckland",
        "delhi": "Asia/Kolkata",
        "honolulu": "Pacific/Honolulu",
        "nowhere": "Mars/Olympus",
        "unset": ...,
    }
    for name, zone in zones.items():
        local.user(name, timezone=zone, at=MONDAY - timedelta(days=3))
    sent: dict[str, str] = {}
    slot = MONDAY - timedelta(hours=14)
    for _ in range(26):  # Sunday 20:00 to Monday 21:00
        slot += timedelta(hours=1)
        local.clock.now = slot
        await local.slot(slot)
        for key in local.taken[len(sent) :]:
            sent[key.split(":")[1]] = f"{slot:%a %H:%M}"
    assert sent == {
        "auckland": "Sun 20:00",  # 9:00 there
        "delhi": "Mon 04:00",  # 9:30, the first full hour after 3:30
        "nowhere": "Mon 08:00",  # 9:00 in Berlin
        "unset": "Mon 08:00",
        "honolulu": "Mon 19:00",
    }
    assert sorted(local.taken) == sorted(mail(name) for name in zones)


async def test_at_local_times_nobody_gets_a_stale_mail(local: Post) -> None:
    local.user("ann", timezone="UTC")
    late = MONDAY + timedelta(hours=37)
    local.clock.now = late
    await local.slot(late)
    assert local.states() == {}
    await local.run()  # by hand it is never too late
    assert local.taken == [mail("ann")]


def test_with_local_times_the_schedule_runs_hourly() -> None:
    environ = {"CHESSCOACH_EMAILS__DELIVER_AT": "local 09:00"}
    assert config.load(None, environ).config.schedules["weekly_emails"].cron == "0 * * * *"
    own = environ | {"CHESSCOACH_SCHEDULES__WEEKLY_EMAILS__CRON": "0,30 * * * 1"}
    assert config.load(None, own).config.schedules["weekly_emails"].cron == "0,30 * * * 1"


# What becomes of a mail


async def test_a_second_run_sends_nothing(post: Post) -> None:
    for number in range(30):
        post.user(f"u{number:02}")
    assert (await post.run()).record["done"] == 30
    again = await post.run()
    assert (again.record["candidates"], again.record["done"]) == (0, 0)
    assert len(post.taken) == len(set(post.taken)) == 30


async def test_the_outbox_keeps_the_providers_id(post: Post) -> None:
    post.user("ann")
    await post.run()
    row = post.db.email_outbox.find_one()
    assert row["message_id"] == post.sendgrid.accepted[0].message_id


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
    post: Post, fault: Any, state: str
) -> None:
    post.user("ann")
    post.sendgrid.faults.append(fault)
    ending = await post.run()
    assert post.states() == {"ann": state}
    assert (ending.record["outcome"], ending.exit_code) == ("partial", 1)
    assert ending.record["errors"][0]["user_id"] == "ann"
    requests = post.sendgrid.requests
    await post.run()
    post.clock.move(days=3)
    await post.run()
    assert post.sendgrid.requests == requests
    assert post.states() == {"ann": state}


async def test_too_many_requests_wait_for_the_reset(post: Post) -> None:
    for number in range(5):
        post.user(f"u{number}")
    post.sendgrid.faults.extend(["429", None, "429"])
    ending = await post.run()
    assert (ending.record["outcome"], ending.record["done"]) == ("succeeded", 5)
    assert len(set(post.taken)) == len(post.taken) == 5


async def test_a_provider_that_cannot_be_reached_costs_no_mail(post: Post) -> None:
    post.user("ann")
    url = post.settings.config.emails.sendgrid.base_url
    post.set_sendgrid(base_url="http://127.0.0.1:9")
    ending = await post.run()
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert post.states() == {"ann": "pending"}
    post.set_sendgrid(base_url=url)
    await post.run()
    assert post.taken == [mail("ann")]


@pytest.mark.parametrize("fault", ["401", "403", "credits", "302"])
async def test_a_bad_key_burns_one_attempt_and_not_all(post: Post, fault: Any) -> None:
    for number in range(60):
        post.user(f"u{number:02}")
    post.sendgrid.decide = lambda payload: fault
    ending = await post.run()
    assert post.sendgrid.requests == 1
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert set(post.states().values()) == {"pending"}
    post.sendgrid.decide = None
    assert (await post.run()).record["done"] == 60


async def test_a_key_that_is_revoked_in_mid_run_loses_no_mail(post: Post) -> None:
    for number in range(60):
        post.user(f"u{number:02}")
    post.sendgrid.faults.extend([None] * 25)
    post.sendgrid.delay_s = 0.02
    post.sendgrid.decide = lambda payload: "401" if len(post.taken) >= 25 else None
    ending = await post.run()
    assert ending.record["outcome"] == "failed"
    taken = len(post.taken)
    states = list(post.states().values())
    assert states.count("sent") == taken
    assert states.count("pending") == 60 - taken
    post.sendgrid.decide = None
    await post.run()
    assert sorted(post.taken) == [mail(f"u{number:02}") for number in range(60)]


async def test_mails_that_are_all_refused_stop_the_run(post: Post) -> None:
    for number in range(60):
        post.user(f"u{number:02}")
    post.sendgrid.decide = lambda payload: "400"
    ending = await post.run()
    assert ending.record["outcome"] == "failed"
    assert post.sendgrid.requests == 10
    states = list(post.states().values())
    assert (states.count("failed"), states.count("pending")) == (10, 50)


async def test_so_many_are_on_their_way_at_a_time_and_the_first_goes_alone(post: Post) -> None:
    for number in range(120):
        post.user(f"u{number:03}")
    post.set_sendgrid(in_flight=7)
    post.sendgrid.delay_s = 0.15
    alone: list[int] = []

    def look(payload: dict[str, Any]) -> None:
        alone.append(post.sendgrid.in_flight)

    post.sendgrid.decide = look
    await post.run()
    assert len(post.taken) == 120
    assert alone[0] == 1
    assert post.sendgrid.most_in_flight == 7


async def test_the_next_players_are_read_while_those_before_are_mailed(post: Post) -> None:
    for number in range(PAGE + 1):  # of whom few have played
        post.user(f"u{number:03}", games=int(number < 40))
    post.set_sendgrid(in_flight=2)
    post.sendgrid.delay_s = 0.05
    running = asyncio.create_task(post.run())
    async with asyncio.timeout(20):
        while await asyncio.to_thread(post.db.email_outbox.count_documents, {}) <= PAGE:
            await asyncio.sleep(0.01)
    mailed = len(post.taken)
    await running
    assert mailed < 30
    assert len(post.taken) == 40


async def test_a_read_that_fails_lets_what_is_on_its_way_come_to_its_end(post: Post) -> None:
    for number in range(10):
        post.user(f"u{number}")
    post.sendgrid.delay_s = 0.05
    async with open_context(post.settings, post.clock) as ctx, AsyncExitStack() as stack:
        run = Run("r", slot=None, by_hand=True, dry_run=False, stop=Stop(), fence=1)
        emails = ctx.config.emails
        out = SendGridTransport(emails.sendgrid, KEY, "coach@example.org", "Coach", 30.0, utc_now)
        await stack.enter_async_context(out)
        links = Links(emails.public_url, emails.keys, 30, ctx.now)
        desk = Desk(
            renderer=await asyncio.to_thread(Renderer, emails), links=links, repeatable=False
        )

        async def pages() -> AsyncIterator[Sequence[Due]]:
            async for page in Who(ctx, run, ZoneInfo("UTC"), None, None).wanting():
                yield page
            while post.sendgrid.in_flight < 5:
                await asyncio.sleep(0.001)
            raise StoreUnavailable("gone")

        with pytest.raises(StoreUnavailable):
            await Postman(ctx, run, KIND, out).deliver(Walk(ctx, run, desk).batches(pages()))
    assert set(post.states().values()) <= {"sent", "pending"}
    assert list(post.states().values()).count("sent") == len(post.taken) >= 5


async def test_a_sandboxed_mail_does_not_count_as_sent(post: Post) -> None:
    post.user("ann")
    post.set_sendgrid(sandbox=True)
    ending = await post.run()
    assert (post.sendgrid.rehearsed, post.taken) == (1, [])
    assert post.states() == {"ann": "skipped"}
    assert (ending.record["done"], ending.record["skipped"]) == (0, 1)


async def test_what_is_unknown_is_sent_once_more_where_events_have_told_of_none(
    post: Post,
) -> None:
    post.user("ann")
    post.set_sendgrid(events_key=post.sendgrid.events_key, resend_after_s=3600.0)
    post.sendgrid.faults.extend(["cut", "cut"])
    await post.run()
    post.clock.move(minutes=59)
    await post.run()
    assert post.sendgrid.requests == 1
    post.clock.move(minutes=2)
    await post.run()
    assert post.sendgrid.requests == 2
    post.clock.move(hours=2)
    await post.run()
    assert post.sendgrid.requests == 2, "only once"
    assert post.states() == {"ann": "unknown"}


async def test_what_an_event_has_told_of_is_not_sent_again(post: Post) -> None:
    post.user("ann")
    post.set_sendgrid(events_key=post.sendgrid.events_key, resend_after_s=60.0)
    post.sendgrid.faults.append("lost")
    await post.run()
    assert post.states() == {"ann": "unknown"}
    async with open_context(post.settings, post.clock) as ctx:
        assert await ctx.store.outbox.heard_of({mail("ann"): post.clock.now}) == 1
    post.clock.move(hours=1)
    await post.run()
    assert post.taken == [mail("ann")]
    assert post.states() == {"ann": "sent"}


async def test_a_resend_is_the_very_mail(post: Post) -> None:
    post.user("ann")
    post.set_sendgrid(events_key=post.sendgrid.events_key, resend_after_s=60.0)
    post.sendgrid.faults.append("lost")
    await post.run()
    post.db.users.update_one({}, {"$set": {"name": "Somebody Else", "email": "new@example.org"}})
    post.clock.move(hours=1)
    await post.run()
    first, second = post.sendgrid.accepted
    assert first.payload == second.payload


async def test_a_mail_that_a_dead_process_was_sending_is_unknown_at_once(post: Post) -> None:
    post.user("ann")
    post.user("bob")
    await post.run(user="bob")
    post.db.email_outbox.insert_one(
        {
            "_id": mail("ann"),
            "kind": "weekly_summary",
            "user_id": "ann",
            "week": "2026-W47",
            "state": "sending",
            "fence": 1,
            "claim": "another's",
            "claimed_at": MONDAY,
            "until": MONDAY + timedelta(hours=1),
        }
    )
    ending = await post.run()
    assert post.states()["ann"] == "unknown"
    assert ending.record["notes"]["mails_still_unknown"] == 1
    assert post.taken == [mail("bob")]


async def test_a_stopped_run_leaves_nothing_half_done(post: Post) -> None:
    for number in range(80):
        post.user(f"u{number:02}")
    post.sendgrid.delay_s = 0.02
    stop = Stop()

    def ask(payload: dict[str, Any]) -> None:
        if len(post.taken) == 30:
            stop.ask()

    post.sendgrid.decide = ask
    ending = await post.run(stop)
    assert ending.record["outcome"] == "cancelled"
    states = list(post.states().values())
    assert set(states) == {"sent", "pending"}
    assert states.count("sent") == len(post.taken) < 80
    await post.run()
    assert len(post.taken) == len(set(post.taken)) == 80


# What the outbox still owes


async def test_the_later_run_sends_what_the_outbox_owes_and_looks_for_nobody_new(
    post: Post,
) -> None:
    post.user("ann")
    post.sendgrid.decide = lambda payload: "401"
    await post.slot(MONDAY)
    post.sendgrid.decide = None
    post.user("bob")
    later = MONDAY + timedelta(hours=1, minutes=30)
    post.clock.now = later
    assert (await post.slot(later, "weekly_emails_owed")).record["done"] == 1
    assert post.taken == [mail("ann")]


async def test_the_later_run_sends_nothing_stale(post: Post) -> None:
    post.user("ann")
    post.sendgrid.decide = lambda payload: "401"
    await post.slot(MONDAY)
    post.sendgrid.decide = None
    late = MONDAY + timedelta(hours=37, minutes=30)
    post.clock.now = late
    await post.slot(late, "weekly_emails_owed")
    assert post.states() == {"ann": "pending"}
    await post.run(owed=True)
    assert post.taken == [mail("ann")]


async def test_who_has_unsubscribed_since_is_owed_nothing(post: Post) -> None:
    post.user("ann")
    post.sendgrid.decide = lambda payload: "401"
    await post.run()
    post.sendgrid.decide = None
    post.db.users.update_one({}, {"$set": {"email_notifications": {"weekly_summary": False}}})
    await post.run(owed=True)
    assert post.taken == []
    assert post.reasons() == {"ann": "unsubscribed"}


# Where it goes


async def test_without_a_key_mails_are_files(post: Post, tmp_path: Path) -> None:
    post.settings = replace(
        post.settings, process=replace(post.settings.process, sendgrid_key=None, sender_email=None)
    )
    post.set(outbox_dir=str(tmp_path / "mails"), public_url="", signing_key="")
    post.user("ann")
    await post.run()
    (file,) = await asyncio.to_thread(lambda: list((tmp_path / "mails").iterdir()))
    read = message_from_bytes(await asyncio.to_thread(file.read_bytes), policy=policy.default)
    assert read["To"] == "ann@example.org"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/unsubscribe/" in read["List-Unsubscribe"]
    assert post.states() == {"ann": "sent"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("public_url", {"public_url": ""}),
        ("signing_key", {"signing_key": ""}),
        ("signing_key", {"signing_key": " , "}),
    ],
)
async def test_with_a_key_it_does_not_start_without_what_goes_with_it(
    post: Post, name: str, change: dict[str, str]
) -> None:
    post.user("ann")
    post.set(**change)
    ending = await post.run()
    assert ending.exit_code == 2
    assert name in ending.record["errors"][0]["error"]
    assert post.states() == {}


async def test_with_a_key_it_does_not_start_without_a_sender(post: Post) -> None:
    post.user("ann")
    process = replace(post.settings.process, sender_email=None)
    post.settings = replace(post.settings, process=process)
    ending = await post.run()
    assert ending.exit_code == 2
    assert "SENDER_EMAIL" in ending.record["errors"][0]["error"]


async def test_every_mail_carries_a_link_that_ends_it_and_no_person_in_its_arguments(
    post: Post,
) -> None:
    post.user("ann")
    await post.run()
    payload = post.sendgrid.accepted[0].payload
    (to,) = payload["personalizations"]
    headers = payload.get("headers", {}) | to.get("headers", {})
    assert headers["List-Unsubscribe"].startswith("<https://chess.example.org/unsubscribe/")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    told = str(payload.get("custom_args", {}) | to.get("custom_args", {}))
    assert "@" not in told
    assert "Ann" not in told
    assert "ann" not in str(payload.get("categories", []))


async def test_a_rehearsal_counts_and_writes_nothing(post: Post) -> None:
    post.user("ann")
    post.user("idle", games=0)
    async with open_context(post.settings, post.clock) as ctx:
        args = weekly_emails.JOB.check({})
        told = await runner.rehearse(ctx, weekly_emails.JOB, args, Stop())
    assert told.record["notes"] == {"would_send": 1, "skipped_no_games": 1}
    assert post.sendgrid.requests == 0
    assert post.states() == {}


async def test_one_user_whose_data_cannot_be_read_hinders_no_other(post: Post) -> None:
    post.user("ann")
    post.user("odd", name={"first": 1}, games=0)
    post.db.games.insert_one({"user_id": "odd", "game_id": 7, "ended_at": "garbage", "pgn": 3})
    post.db.game_analyses.insert_one({"user_id": "odd", "created_at": 12, "stockfish_analysis": 5})
    post.db.player_profiles.insert_one({"user_id": "odd", "top_weaknesses": "x", "strengths": 3})
    post.db.user_progress.insert_one({"user_id": "odd", "level": "high"})
    ending = await post.run()
    assert ending.record["done"] == 1
    assert post.reasons()["odd"] == "no_games"


async def test_the_jobs_own_command_refuses_without_settings_and_says_their_name(
    environment: dict[str, str],
) -> None:
    found = await run({**environment, "SENDGRID_API_KEY": "SG.x.y"}, JOB)
    assert found.code == 2
    assert all(name in found.out for name in ("SENDER_EMAIL", "public_url", "signing_key"))
    assert "SG.x.y" not in found.out + found.err


async def test_owed_is_for_everybody(post: Post) -> None:
    post.user("ann")
    assert (await post.run(owed=True, user="ann")).exit_code == 2
    with pytest.raises(ConfigError):
        await post.run(weeks=1)
