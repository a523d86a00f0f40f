"""What becomes of an email of which it is unknown whether it was sent."""

from datetime import timedelta

import pytest

from chesscoach.context import open_context
from tests.support.emails.email_scenario import MONDAY, EmailScenario, email_id


async def test_an_unknown_email_without_an_event_is_sent_once_more(
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


async def test_an_email_with_an_event_is_not_sent_again(emails: EmailScenario) -> None:
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


async def test_a_resend_is_the_same_email(emails: EmailScenario) -> None:
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
