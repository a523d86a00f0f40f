"""What becomes of an email after each response of SendGrid."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.emails.email_scenario import EmailScenario, email_id
from tests.support.fake_sendgrid import SendGridFault
from tests.support.scheduling import wait_until


async def test_an_email_that_was_not_taken_for_certain_is_not_sent_again(
    emails: EmailScenario,
) -> None:
    states: dict[SendGridFault, str] = {
        "400": "failed",
        "500": "unknown",
        "cut": "unknown",
        "hang": "unknown",
        "lost": "unknown",
    }
    by_address: dict[str, SendGridFault] = {f"u-{fault}@example.org": fault for fault in states}
    emails.add_user("ann")
    for fault in states:
        emails.add_user(f"u-{fault}")
    emails.sendgrid.decide = lambda payload: by_address.get(
        payload["personalizations"][0]["to"][0]["email"]
    )
    emails.change_sendgrid_settings(timeout_s=3.0)
    ending = await emails.run()
    expected = {"ann": "sent"} | {f"u-{fault}": state for fault, state in states.items()}
    assert emails.states() == expected
    assert (ending.record["outcome"], ending.exit_code) == ("partial", 1)
    errors = {error["user_id"] for error in ending.record["errors"]}
    assert errors == expected.keys() - {"ann"}
    requests = emails.sendgrid.requests
    await emails.run()
    emails.clock.move(days=3)
    await emails.run()
    assert emails.sendgrid.requests == requests
    assert emails.states() == expected


async def test_too_many_requests_wait_for_the_reset(emails: EmailScenario) -> None:
    emails.add_users(5)
    emails.sendgrid.faults.extend(["429", None, "429"])
    ending = await emails.run()
    assert (ending.record["outcome"], ending.record["done"]) == ("succeeded", 5)
    assert len(set(emails.accepted_ids)) == len(emails.accepted_ids) == 5


async def test_an_email_that_could_not_be_sent_is_pending_also_after_a_stop(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    url, stop = emails.settings.config.emails.sendgrid.base_url, ShutdownRequest()
    emails.change_sendgrid_settings(base_url="http://127.0.0.1:9")
    running = asyncio.create_task(emails.run(stop))
    tried = {"state": "pending", "reason": {"$regex": "no connection"}}
    await wait_until(lambda: emails.db.email_outbox.find_one(tried) is not None)
    stop.request()
    assert (await running).record["outcome"] == "cancelled"
    emails.change_sendgrid_settings(base_url=url)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann")]


@pytest.mark.long
async def test_an_unreachable_provider_loses_no_email(emails: EmailScenario) -> None:
    emails.add_user("ann")
    url = emails.settings.config.emails.sendgrid.base_url
    emails.change_sendgrid_settings(base_url="http://127.0.0.1:9")
    ending = await emails.run()
    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert emails.states() == {"ann": "pending"}
    emails.change_sendgrid_settings(base_url=url)
    await emails.run()
    assert emails.accepted_ids == [email_id("ann")]


async def test_a_bad_key_costs_one_attempt_and_not_all(emails: EmailScenario) -> None:
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
async def test_refused_recipients_do_not_hold_back_emails_of_others(
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
