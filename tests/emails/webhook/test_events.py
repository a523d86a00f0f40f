from typing import Any

import pytest

from chesscoach.emails.webhook.events import Event, read
from tests.conftest import NOON
from tests.support.webhook_signing import batch, event


def events(*told: object) -> tuple[Event, ...]:
    found = read(batch(*told))
    assert found is not None
    return found.events


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (event("bounce", "e", type="bounce", reason="550 unknown user"), "bounce"),
        (event("bounce", "e", type="bounce", bounce_classification="Invalid Address"), "bounce"),
        (event("bounce", "e", type="bounce", bounce_classification=None), "bounce"),
        (event("spamreport", "e"), "spam_report"),
        (event("unsubscribe", "e"), "unsubscribe"),
        (event("group_unsubscribe", "e", asm_group_id=7), "unsubscribe"),
        (event("dropped", "e", reason="Bounced Address"), "drop"),
        (event("dropped", "e", reason="Spam Reporting Address"), "drop"),
        (event("dropped", "e", reason="Unsubscribed Address"), "drop"),
        (event("dropped", "e", reason="Invalid"), "drop"),
        (event("bounce", "e", type="blocked"), None),
        (event("bounce", "e"), None),
        (event("bounce", "e", type="bounce", bounce_classification="Technical"), None),
        (event("bounce", "e", type="bounce", bounce_classification="content "), None),
        (event("dropped", "e", reason="Invalid SMTPAPI header"), None),
        (event("dropped", "e", reason="Spam Content (if spam checker app enabled)"), None),
        (event("dropped", "e", reason="Recipient List over Package Quota"), None),
        (event("dropped", "e"), None),
        (event("dropped", "e", reason=["Bounced Address"]), None),
        (event("deferred", "e"), None),
        (event("delivered", "e"), None),
        (event("group_resubscribe", "e"), None),
        (event("something new", "e"), None),
    ],
)
def test_an_address_is_suppressed_for_what_is_its_own_fault_alone(
    told: dict[str, Any], reason: str | None
) -> None:
    (found,) = events(told)

    assert (found.suppression and found.suppression.reason) == reason


def test_what_is_read_is_what_was_told() -> None:
    told = event("dropped", "e", outbox_id=" one ", reason="Bounced Address", useragent="x")

    assert events(told) == (
        Event(
            id="e",
            kind="dropped",
            at=NOON,
            address="Ann@Example.org",
            outbox_id="one",
            reason="Bounced Address",
        ),
    )


@pytest.mark.parametrize("email", ["", None, 7, "nobody", "x" * 400 + "@example.org"])
def test_without_an_address_nothing_is_suppressed_and_the_mail_is_heard_of(email: object) -> None:
    (found,) = events(event("bounce", "e", type="bounce", email=email, outbox_id="one"))

    assert (found.suppression, found.outbox_id) == (None, "one")


@pytest.mark.parametrize(
    "garbage",
    [
        *(None, 7, "bounce", [], {}, {"event": "bounce"}, [event("bounce", "e")]),
        *(event("bounce", ""), event("bounce", "x" * 301), event("", "e")),
        event("bounce", "e") | {"event": 7},
        event("bounce", "e") | {"timestamp": "yesterday"},
        event("bounce", "e") | {"timestamp": -1},
        event("bounce", "e") | {"timestamp": 10**15},
        event("bounce", "e") | {"sg_event_id": {"$ne": 1}},
    ],
)
def test_an_element_that_is_no_event_is_left_out_and_counted(garbage: object) -> None:
    found = read(batch(garbage, event("open", "good"), garbage))

    assert found is not None
    assert [each.id for each in found.events] == ["good"]
    assert (found.unreadable, found.repeated) == (2, 0)


def test_an_event_that_comes_twice_in_a_batch_is_one() -> None:
    found = read(batch(event("open", "a"), event("open", "b"), event("open", "a")))

    assert found is not None
    assert ([each.id for each in found.events], found.repeated) == (["a", "b"], 1)
