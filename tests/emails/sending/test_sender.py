"""What becomes of an email: responses, retries, resends and stops."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chesscoach.context import open_context, utc_now
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.sending.audience import Audience
from chesscoach.emails.sending.composition import ComposerDependencies, EmailComposer
from chesscoach.emails.sending.due_email import KIND, DueEmail
from chesscoach.emails.sending.sender import EmailSender
from chesscoach.emails.store.recipients import PAGE_SIZE
from chesscoach.emails.transports.sendgrid import SendGridTransport
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.errors import StoreUnavailable
from chesscoach.worker.job import Run
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.emails.email_scenario import KEY, MONDAY, EmailScenario, email_id
from tests.support.fake_sendgrid import SendGridFault
from tests.support.scheduling import wait_until


async def test_a_second_run_sends_nothing_and_the_outbox_keeps_the_providers_id(
    emails: EmailScenario,
) -> None:
    emails.add_users(10)
    assert (await emails.run()).record["done"] == 10
    again = await emails.run()
    assert (again.record["candidates"], again.record["done"]) == (0, 0)
    assert len(emails.accepted_ids) == len(set(emails.accepted_ids)) == 10
    kept = {entry["_id"]: entry["message_id"] for entry in emails.db.email_outbox.find()}
    assert kept == {email.outbox_id: email.message_id for email in emails.sendgrid.accepted}


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("400", "failed"),
        ("500", "unknown"),
        ("cut", "unknown"),
        ("hang", "unknown"),
        ("lost", "unknown"),
    ],
)
async def test_an_email_that_was_not_taken_for_certain_is_not_sent_again(
    emails: EmailScenario, fault: Any, state: str
) -> None:
    emails.add_user("ann")
    emails.sendgrid.faults.append(fault)
    if fault == "hang":
        emails.change_sendgrid_settings(timeout_s=3.0)
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
    emails.add_users(5)
    emails.sendgrid.faults.extend(["429", None, "429"])
    ending = await emails.run()
    assert (ending.record["outcome"], ending.record["done"]) == ("succeeded", 5)
    assert len(set(emails.accepted_ids)) == len(emails.accepted_ids) == 5


async def test_a_provider_that_cannot_be_reached_costs_no_email(emails: EmailScenario) -> None:
    emails.add_user("ann")
    url = emails.settings.config.emails.sendgrid.base_url
    emails.change_sendgrid_settings(base_url="http://127.0.0.1:9")
    ending = await emails.run()
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert emails.states() == {"ann": "pending"}
    emails.change_sendgrid_settings(base_url=url)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann")]


async def test_a_bad_key_burns_one_attempt_and_not_all(emails: EmailScenario) -> None:
    emails.add_users(30)
    emails.sendgrid.decide = lambda payload: "401"
    ending = await emails.run()
    assert emails.sendgrid.requests == 1
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert set(emails.states().values()) == {"pending"}
    emails.sendgrid.decide = None
    assert (await emails.run()).record["done"] == 30


async def test_a_key_that_is_revoked_in_mid_run_loses_no_email(emails: EmailScenario) -> None:
    emails.add_users(40)
    emails.sendgrid.delay_s = 0.02
    emails.sendgrid.decide = lambda payload: "401" if len(emails.accepted_ids) >= 12 else None
    ending = await emails.run()
    assert ending.record["outcome"] == "failed"
    taken = len(emails.accepted_ids)
    states = list(emails.states().values())
    assert states.count("sent") == taken
    assert states.count("pending") == 40 - taken
    emails.sendgrid.decide = None
    await emails.run()
    assert sorted(emails.accepted_ids) == [email_id(f"u{number:03}") for number in range(40)]


async def test_emails_that_are_all_refused_stop_the_run(emails: EmailScenario) -> None:
    emails.add_users(25)
    emails.sendgrid.decide = lambda payload: "invalid"
    ending = await emails.run()
    assert ending.record["outcome"] == "failed"
    assert emails.sendgrid.requests == 10
    states = list(emails.states().values())
    assert (states.count("failed"), states.count("pending")) == (10, 15)


@pytest.mark.parametrize("bad", [range(15), range(8, 23), range(0, 30, 2)])
async def test_recipients_who_are_refused_keep_no_email_of_others_back(
    emails: EmailScenario, bad: range
) -> None:
    emails.add_users(30)
    refused = {f"u{number:03}@example.org" for number in bad}

    def decide(payload: dict[str, Any]) -> SendGridFault | None:
        return "400" if payload["personalizations"][0]["to"][0]["email"] in refused else None

    emails.sendgrid.decide = decide
    ending = await emails.run()
    assert (ending.record["done"], ending.record["failed"]) == (30 - len(bad), len(bad))
    assert emails.sendgrid.requests == 30
    states = emails.states()
    assert {
        f"{user_id}@example.org" for user_id in states if states[user_id] == "failed"
    } == refused


async def test_a_refused_recipient_among_bad_requests_does_not_reset_their_count(
    emails: EmailScenario,
) -> None:
    emails.add_users(40)
    faults: Iterator[SendGridFault] = itertools.cycle(("invalid", "400"))
    emails.sendgrid.decide = lambda payload: next(faults)
    ending = await emails.run()
    assert ending.record["outcome"] == "failed"
    assert emails.sendgrid.requests == 19


async def test_no_more_than_in_flight_are_sent_at_a_time_and_the_first_goes_alone(
    emails: EmailScenario,
) -> None:
    emails.add_users(40)
    emails.change_sendgrid_settings(in_flight=7)
    emails.sendgrid.delay_s = 0.1
    in_flight: list[int] = []

    def hold_those_after_the_first(payload: dict[str, Any]) -> None:
        if not in_flight:
            emails.sendgrid.released.clear()
        in_flight.append(emails.sendgrid.in_flight)

    emails.sendgrid.decide = hold_those_after_the_first
    running = asyncio.create_task(emails.run())
    await wait_until(lambda: emails.sendgrid.in_flight >= 7)
    emails.sendgrid.released.set()
    await running
    assert len(emails.accepted_ids) == 40
    assert in_flight[0] == 1
    assert emails.sendgrid.max_in_flight == 7


async def test_the_next_players_are_read_while_those_before_are_mailed(
    emails: EmailScenario,
) -> None:
    for number in range(PAGE_SIZE + 1):  # of whom few have played
        emails.add_user(f"u{number:03}", games=int(number < 40))
    emails.change_sendgrid_settings(in_flight=2)

    def hold_those_after_the_first(payload: dict[str, Any]) -> None:
        emails.sendgrid.released.clear()

    emails.sendgrid.decide = hold_those_after_the_first
    running = asyncio.create_task(emails.run())
    await wait_until(lambda: emails.db.email_outbox.count_documents({}) > PAGE_SIZE)
    assert len(emails.accepted_ids) < 40
    emails.sendgrid.decide = None
    emails.sendgrid.released.set()
    await running
    assert len(emails.accepted_ids) == 40


async def test_a_read_that_fails_lets_what_is_on_its_way_come_to_its_end(
    emails: EmailScenario,
) -> None:
    emails.add_users(10)

    def hold_those_after_the_first(payload: dict[str, Any]) -> None:
        if not emails.accepted_ids:
            emails.sendgrid.released.clear()

    emails.sendgrid.decide = hold_those_after_the_first
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
            await wait_until(lambda: emails.sendgrid.in_flight >= 5)
            emails.sendgrid.released.set()
            raise StoreUnavailable("gone")

        with pytest.raises(StoreUnavailable):
            await EmailSender(ctx.emails, run, KIND, out).deliver(
                EmailComposer(ctx.emails, run, desk).batches(pages())
            )
    assert set(emails.states().values()) <= {"sent", "pending"}
    assert list(emails.states().values()).count("sent") == len(emails.accepted_ids) >= 5


async def test_a_sandboxed_email_does_not_count_as_sent(emails: EmailScenario) -> None:
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


async def test_a_resend_is_the_very_email(emails: EmailScenario) -> None:
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
    emails.add_users(60)
    emails.sendgrid.delay_s = 0.02
    stop = ShutdownRequest()

    def ask(payload: dict[str, Any]) -> None:
        if len(emails.accepted_ids) == 15:
            stop.request()

    emails.sendgrid.decide = ask
    ending = await emails.run(stop)
    assert ending.record["outcome"] == "cancelled"
    states = list(emails.states().values())
    assert set(states) == {"sent", "pending"}
    assert states.count("sent") == len(emails.accepted_ids) < 60
    await emails.run()
    assert len(emails.accepted_ids) == len(set(emails.accepted_ids)) == 60
