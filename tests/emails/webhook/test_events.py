import json
import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from chesscoach.emails.webhook.events import WebhookEvent, parse_batch
from tests.conftest import NOON
from tests.support.emails.webhook_signing import event_payload, request_body

ARRIVAL = NOON + timedelta(minutes=3)
NOT_TIMES: tuple[object, ...] = (
    "yesterday", "", "nan", -1, 10**15, 10**400, math.nan, math.inf, None, True, [1], {}, ...,
)  # fmt: skip
GOOD = json.dumps(event_payload("bounce", "good", type="bounce"))


def parse_events(*payloads: object) -> tuple[WebhookEvent, ...]:
    batch = parse_batch(request_body(*payloads), ARRIVAL)
    assert batch is not None
    return batch.events


def parse_text(*elements: str) -> tuple[list[str], int]:
    """The ids of the events, and the number of unreadable elements, of JSON texts."""
    body = f"[{', '.join(elements)}]".encode("utf-8", "surrogateescape")
    batch = parse_batch(body, ARRIVAL)
    assert batch is not None
    return [event.id for event in batch.events], batch.unreadable


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


def test_an_event_is_read_with_all_its_fields() -> None:
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
def test_an_event_without_an_address_suppresses_nothing_and_updates_its_email(
    email: object,
) -> None:
    (event,) = parse_events(
        event_payload("bounce", "e", type="bounce", email=email, outbox_id="one")
    )

    assert (event.suppression, event.outbox_id) == (None, "one")


@pytest.mark.parametrize(
    "garbage",
    [
        *(None, 7, "bounce", [], {}, [event_payload("bounce", "e")], event_payload("", "e")),
        {"sg_event_id": "e", "timestamp": 1},
        event_payload("bounce", "e") | {"event": 7},
        event_payload("bounce", "e") | {"event": ["bounce"]},
        event_payload("bounce", "e") | {"event": "\ud800"},
    ],
)
def test_an_element_that_is_not_an_event_is_skipped_and_counted(garbage: object) -> None:
    batch = parse_batch(request_body(garbage, event_payload("open", "good"), garbage), ARRIVAL)

    assert batch is not None
    assert [event.id for event in batch.events] == ["good"]
    assert (batch.unreadable, batch.repeated) == (2, 0)


def test_an_event_that_occurs_twice_in_a_batch_counts_once() -> None:
    batch = parse_batch(
        request_body(
            event_payload("open", "a"), event_payload("open", "b"), event_payload("open", "a")
        ),
        ARRIVAL,
    )

    assert batch is not None
    assert ([event.id for event in batch.events], batch.repeated) == (["a", "b"], 1)


@pytest.mark.parametrize("event_id", [..., None, "", 7, "x" * 301, {"$ne": 1}, ["e"], "\ud83d"])
def test_an_event_without_an_id_acts_and_a_digest_is_its_id(event_id: object) -> None:
    fields = event_payload("bounce", "e", type="bounce") | {"sg_event_id": event_id}
    payload = {name: value for name, value in fields.items() if value is not ...}
    other = payload | {"email": "bob@example.org"}

    batch = parse_batch(request_body(payload, other, payload), ARRIVAL)

    assert batch is not None
    assert (len({event.id for event in batch.events}), batch.repeated) == (2, 1)
    assert all(event.id.startswith("sha256:") for event in batch.events)
    assert [event.suppression and event.suppression.address for event in batch.events] == [
        "Ann@Example.org", "bob@example.org",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (str(int(NOON.timestamp())), NOON),
        (f" {int(NOON.timestamp())} ", NOON),
        (NOON.timestamp() + 0.5, NOON + timedelta(milliseconds=500)),
        (NOON.isoformat(), NOON),
        (NOON.isoformat().replace("+00:00", "Z"), NOON),
        *((value, ARRIVAL) for value in NOT_TIMES),
    ],
)
def test_a_timestamp_in_another_form_is_read_or_is_the_arrival(
    timestamp: object, at: datetime
) -> None:
    fields = event_payload("bounce", "e", type="bounce") | {"timestamp": timestamp}
    payload = {name: value for name, value in fields.items() if value is not ...}

    (event,) = parse_events(payload)

    assert event.suppression is not None
    assert (event.at, event.suppression.at) == (at, at)


@pytest.mark.parametrize(
    "spoilt",
    [
        "",
        "nonsense",
        "{",
        '{"event": }',
        '{"event": "open",}',
        "[" * 50_000 + "]" * 50_000,
        '{"event": "open", "sg_event_id": "deep", "x": ' + "[" * 50_000 + "]" * 50_000 + "}",
        "{'event': 'open, it'}",
        '{"event": "open"}}]',
    ],
    ids=range(9),
)
def test_a_malformed_element_does_not_affect_the_others(spoilt: str) -> None:
    second = GOOD.replace("good", 'fi\\"ne, {[')
    if spoilt == "{":  # it takes what follows with it
        assert parse_text(GOOD, spoilt) == (["good"], 1)
    else:
        assert parse_text(GOOD, spoilt, second) == (["good", 'fi"ne, {['], 1)


@pytest.mark.parametrize(
    "value",
    ["NaN", "-Infinity", r'"\ud800"', '"\udcff"', '"a\tb\x00"', "9" * 5000, "1e999", '"\u2028"'],
)
def test_an_unreadable_value_affects_only_its_field(value: str) -> None:
    for field in ("reason", "email", "outbox_id", "anything"):
        spoilt = GOOD[:-1].replace("good", "spoilt") + f', "{field}": {value}}}'
        assert parse_text(spoilt, GOOD) == (["spoilt", "good"], 0)


def test_half_a_surrogate_pair_in_an_address_suppresses_no_address() -> None:
    fields = {"outbox_id": "one", "email": "ann\ud800@example.org", "type": "bounce"}

    (event,) = parse_events(event_payload("bounce", "e", **fields))

    assert (event.address, event.suppression, event.outbox_id) == ("", None, "one")


def test_a_byte_order_mark_before_a_batch_is_ignored() -> None:
    batch = parse_batch(b"\xef\xbb\xbf[" + GOOD.encode() + b"]\r\n", ARRIVAL)

    assert batch is not None
    assert [event.id for event in batch.events] == ["good"]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[", b"]", b"<xml/>", b'"[]"'])
def test_a_body_that_is_not_an_array_is_refused(body: bytes) -> None:
    assert parse_batch(body, ARRIVAL) is None
