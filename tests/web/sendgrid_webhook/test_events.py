"""What the events of a signed batch write, and that they write it once."""

from datetime import timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from tests.conftest import NOON
from tests.support.emails.webhook_signing import NOON_SECONDS, event_payload, request_body
from tests.web.sendgrid_webhook.conftest import (
    KEY,
    RecordingOutbox,
    WebhookClient,
    event_counts,
    remembered_ids,
    suppressed_addresses,
)


async def test_a_suppression_says_when_and_by_which_event(webhook: WebhookClient, db: Any) -> None:
    await webhook.post_events(event_payload("spamreport", "e1", timestamp=NOON_SECONDS - 60))

    assert db.email_suppressions.find_one() == {
        "_id": "ann@example.org",
        "reason": "spam_report",
        "at": NOON - timedelta(minutes=1),
        "event_id": "e1",
    }
    assert db.email_events.find_one() == {"_id": "e1", "at": NOON}


async def test_the_outbox_records_each_email_that_sendgrid_has(
    webhook: WebhookClient, outbox: RecordingOutbox
) -> None:
    later = {"timestamp": NOON_SECONDS + 9}
    await webhook.post_events(
        event_payload("delivered", "e1", outbox_id="one", **later),
        event_payload("processed", "e2", outbox_id="one"),
        event_payload("delivered", "e3", outbox_id="two"),
        event_payload("bounce", "e4", outbox_id="three", type="blocked"),
        event_payload("processed", "e5"),
        event_payload("processed", "e6", outbox_id=7),
        event_payload("processed", "e7", outbox_id=""),
    )

    assert outbox.accepted == {"one": NOON, "two": NOON, "three": NOON}


async def test_the_same_batch_again_or_in_another_order_does_nothing_more(
    webhook: WebhookClient, outbox: RecordingOutbox, ctx: Context, db: Any
) -> None:
    events = [
        event_payload("spamreport", "e1", timestamp=NOON_SECONDS + 9),
        event_payload("bounce", "e2", type="bounce", email="bob@example.org"),
        event_payload("processed", "e3", outbox_id="one"),
        event_payload("delivered", "e4", outbox_id="one"),
    ]
    assert await webhook.post_events(*reversed(events), events[0]) == 204
    was = (list(db.email_events.find()), dict(outbox.accepted), 1)
    await ctx.emails.suppressions.remove("bob@example.org")

    for order in (events, events[::-1], events[1:3]):
        assert await webhook.post_events(*order, at=NOON - timedelta(hours=1)) == 204

    assert suppressed_addresses(db) == {"ann@example.org": "spam_report"}
    assert (list(db.email_events.find()), outbox.accepted, outbox.calls) == was
    assert {event_counts(ctx, kind) for kind in ("spamreport", "bounce", "processed")} == {1}
    assert event_counts(ctx, "duplicate") == 1 + 4 + 4 + 2


async def test_garbage_in_a_batch_is_skipped_and_counted_and_the_rest_applied(
    webhook: WebhookClient, ctx: Context, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    garbage = [None, 7, {}, event_payload("", "g"), {**event_payload("bounce", "g"), "event": 7}]
    good = event_payload("bounce", "e1", type="bounce", extra={"deep": [1, {"$set": 2}]})

    assert (
        await webhook.post_events(*garbage, good, event_payload("bounce", "e2", email=7), *garbage)
        == 204
    )

    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}
    assert remembered_ids(db) == {"e1", "e2"}
    assert event_counts(ctx, "unreadable") == 2 * len(garbage)
    output = "".join(capsys.readouterr())
    assert '"event": "events_skipped"' in output
    assert "example.org" not in output.lower()


async def test_events_without_an_id_or_with_a_text_as_timestamp_act_once(
    webhook: WebhookClient, outbox: RecordingOutbox, ctx: Context, db: Any
) -> None:
    nameless = event_payload("bounce", "e", type="bounce", outbox_id="one")
    del nameless["sg_event_id"]
    text = event_payload("spamreport", "e2", email="bob@example.org") | {"timestamp": "soon"}

    for _ in range(2):
        assert await webhook.post_events(nameless, text) == 204

    assert suppressed_addresses(db).keys() == {"ann@example.org", "bob@example.org"}
    assert outbox.accepted == {"one": NOON}
    counts = [event_counts(ctx, kind) for kind in ("bounce", "spamreport", "duplicate")]
    assert counts == [1, 1, 2]


async def test_bytes_that_are_not_json_affect_only_their_element_of_a_signed_batch(
    webhook: WebhookClient, ctx: Context, db: Any
) -> None:
    good = request_body(event_payload("bounce", "e1", type="bounce")).strip()[1:-1]
    spoilt = (
        b'{"event": "bounce", "email": "\xff@x.org", "sg_event_id": "e2", "type": "bounce"}',
        b'{"event": "open", "sg_event_id": "\\ud800", "score": NaN}',
        b"{broken}",
        b"[" * 100_000 + b"]" * 100_000,
    )
    body = b"\xef\xbb\xbf[" + b",\r\n".join((*spoilt, good)) + b"]\r\n"

    assert await webhook.post(body, KEY.sign(body, NOON)) == 204

    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}
    assert event_counts(ctx, "unreadable") == 2
    assert event_counts(ctx, "open") == 1


async def test_emails_that_sendgrid_did_not_send_are_reported_to_operators_without_an_address(
    webhook: WebhookClient, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await webhook.post_events(
        event_payload("dropped", "e1", reason="Spam Content (if spam checker app enabled)"),
        event_payload("dropped", "e2", reason="for ann@example.org"),
        event_payload("dropped", "e3", reason="Bounced Address"),
    )

    (line,) = [line for line in capsys.readouterr().out.splitlines() if "emails_dropped" in line]
    assert '"count": 2' in line
    assert "Spam Content" in line
    assert "ann@example.org" not in line
    assert suppressed_addresses(db) == {"ann@example.org": "drop"}


async def test_kinds_that_we_do_not_know_are_one_in_the_metrics(
    webhook: WebhookClient, ctx: Context
) -> None:
    await webhook.post_events(
        *(event_payload(f"new{n}", f"e{n}") for n in range(50)), event_payload("open", "o")
    )

    assert [event_counts(ctx, kind) for kind in ("other", "open", "new1")] == [50, 1, 0]


async def test_a_batch_that_failed_between_two_writes_is_applied_when_repeated(
    webhook: WebhookClient, outbox: RecordingOutbox, ctx: Context, db: Any
) -> None:
    events = (
        event_payload("bounce", "e1", type="bounce"),
        event_payload("processed", "e2", outbox_id="one"),
    )
    outbox.failing = True

    assert await webhook.post_events(*events) == 503
    assert (remembered_ids(db), outbox.accepted, event_counts(ctx, "bounce")) == (set(), {}, 0)

    assert await webhook.post_events(*events) == 204
    assert (remembered_ids(db), outbox.accepted) == ({"e1", "e2"}, {"one": NOON})
    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}
    assert event_counts(ctx, "bounce") == 1
