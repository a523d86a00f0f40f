from typing import Any

import pytest

from chesscoach.emails.webhook.events import WebhookEvent, parse_batch
from tests.conftest import NOON
from tests.support.webhook_signing import event_payload, request_body


def parse_events(*payloads: object) -> tuple[WebhookEvent, ...]:
    batch = parse_batch(request_body(*payloads))
    assert batch is not None
    return batch.events


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (event_payload("bounce", "e", type="bounce", reason="550 unknown user"), "bounce"),
        (
            event_payload("bounce", "e", type="bounce", bounce_classification="Invalid Address"),
            "bounce",
        ),
        (event_payload("bounce", "e", type="bounce", bounce_classification=None), "bounce"),
        (event_payload("spamreport", "e"), "spam_report"),
        (event_payload("unsubscribe", "e"), "unsubscribe"),
        (event_payload("group_unsubscribe", "e", asm_group_id=7), "unsubscribe"),
        (event_payload("dropped", "e", reason="Bounced Address"), "drop"),
        (event_payload("dropped", "e", reason="Spam Reporting Address"), "drop"),
        (event_payload("dropped", "e", reason="Unsubscribed Address"), "drop"),
        (event_payload("dropped", "e", reason="Invalid"), "drop"),
        (event_payload("bounce", "e", type="blocked"), None),
        (event_payload("bounce", "e"), None),
        (event_payload("bounce", "e", type="bounce", bounce_classification="Technical"), None),
        (event_payload("bounce", "e", type="bounce", bounce_classification="content "), None),
        (event_payload("dropped", "e", reason="Invalid SMTPAPI header"), None),
        (event_payload("dropped", "e", reason="Spam Content (if spam checker app enabled)"), None),
        (event_payload("dropped", "e", reason="Recipient List over Package Quota"), None),
        (event_payload("dropped", "e"), None),
        (event_payload("dropped", "e", reason=["Bounced Address"]), None),
        (event_payload("deferred", "e"), None),
        (event_payload("delivered", "e"), None),
        (event_payload("group_resubscribe", "e"), None),
        (event_payload("something new", "e"), None),
    ],
)
def test_an_address_is_suppressed_for_what_is_its_own_fault_alone(
    payload: dict[str, Any], reason: str | None
) -> None:
    (event,) = parse_events(payload)

    assert (event.suppression and event.suppression.reason) == reason


def test_what_is_read_is_what_was_told() -> None:
    payload = event_payload(
        "dropped", "e", outbox_id=" one ", reason="Bounced Address", useragent="x"
    )

    assert parse_events(payload) == (
        WebhookEvent(
            id="e",
            kind="dropped",
            at=NOON,
            address="Ann@Example.org",
            outbox_id="one",
            reason="Bounced Address",
        ),
    )


@pytest.mark.parametrize("email", ["", None, 7, "nobody", "x" * 400 + "@example.org"])
def test_without_an_address_nothing_is_suppressed_and_the_email_is_heard_of(email: object) -> None:
    (event,) = parse_events(
        event_payload("bounce", "e", type="bounce", email=email, outbox_id="one")
    )

    assert (event.suppression, event.outbox_id) == (None, "one")


@pytest.mark.parametrize(
    "garbage",
    [
        *(None, 7, "bounce", [], {}, {"event": "bounce"}, [event_payload("bounce", "e")]),
        *(event_payload("bounce", ""), event_payload("bounce", "x" * 301), event_payload("", "e")),
        event_payload("bounce", "e") | {"event": 7},
        event_payload("bounce", "e") | {"timestamp": "yesterday"},
        event_payload("bounce", "e") | {"timestamp": -1},
        event_payload("bounce", "e") | {"timestamp": 10**15},
        event_payload("bounce", "e") | {"sg_event_id": {"$ne": 1}},
    ],
)
def test_an_element_that_is_no_event_is_left_out_and_counted(garbage: object) -> None:
    batch = parse_batch(request_body(garbage, event_payload("open", "good"), garbage))

    assert batch is not None
    assert [event.id for event in batch.events] == ["good"]
    assert (batch.unreadable, batch.repeated) == (2, 0)


def test_an_event_that_comes_twice_in_a_batch_is_one() -> None:
    batch = parse_batch(
        request_body(
            event_payload("open", "a"), event_payload("open", "b"), event_payload("open", "a")
        )
    )

    assert batch is not None
    assert ([event.id for event in batch.events], batch.repeated) == (["a", "b"], 1)
