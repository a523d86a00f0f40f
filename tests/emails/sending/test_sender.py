"""How a run sends its emails: how many at a time, and what a stop leaves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
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
from chesscoach.emails.weekly.values import WeekExtras
from chesscoach.errors import StoreUnavailable
from chesscoach.worker.job import Run
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.emails.email_scenario import KEY, EmailScenario
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


async def test_the_next_players_are_read_while_emails_are_sent(
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


async def test_a_failed_read_lets_emails_in_flight_finish(
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

        async def no_extras(*_: Any) -> dict[str, WeekExtras]:
            return {}

        async def pages() -> AsyncIterator[Sequence[DueEmail]]:
            async for page in Audience(ctx.emails, run, ZoneInfo("UTC"), None, None).subscribers():
                yield page
            await wait_until(lambda: emails.sendgrid.in_flight >= 5)
            emails.sendgrid.released.set()
            raise StoreUnavailable("gone")

        with pytest.raises(StoreUnavailable):
            await EmailSender(ctx.emails, run, KIND, out).deliver(
                EmailComposer(ctx.emails, run, desk, no_extras).batches(pages())
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
