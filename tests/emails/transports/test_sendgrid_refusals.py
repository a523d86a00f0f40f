"""SendGrid as a transport: what a refusal names, and whether it concerns one email."""

import re

import pytest

from chesscoach.emails.transports.transport import SendResult
from tests.emails.transports.conftest import (
    ADDRESS,
    KEY,
    answer_server,
    error_body,
    make_message,
    send_one,
)
from tests.support.fake_sendgrid import FakeSendGrid

TO = "personalizations.0.to.0.email"
REFUSALS: list[tuple[int, bytes, bool]] = [
    (400, error_body(("Does not contain a valid address.", TO)), True),
    (400, error_body(("The to array is required.", "personalizations.0.to")), True),
    (400, error_body(("Each address should be unique.", "personalizations.0")), True),
    (400, error_body(("Each address should be unique.", "personalizations")), True),
    (400, error_body((f"Invalid recipient {ADDRESS.upper()}", None)), True),
    (400, error_body((f"The {TO} field is not valid.", "")), True),
    (400, error_body(("no", TO), ("no", "personalizations.0.to")), True),
    (413, b"<html>413 Request Entity Too Large</html>", True),
    (400, error_body(("no", TO), ("no", "from.email")), False),
    (400, error_body(("no", "from.email")), False),
    (400, error_body(("no", "personalizations.0.headers")), False),
    (400, error_body(("no", "personalizations.0.headers.List-Unsubscribe")), False),
    (400, error_body(("no", "personalizations.0.custom_args")), False),
    (400, error_body((f"{ADDRESS} has no header", "personalizations.0.headers")), False),
    (400, error_body(("The personalizations.0.headers are not valid.", None)), False),
    (400, error_body(("Bad Request", None)), False),
    (400, error_body(("no", ["personalizations"])), False),
    (400, error_body(), False),
    (400, b"<p>Bad Request</p>", False),
    (422, error_body(("no", TO)), False),
]


@pytest.mark.parametrize(("status", "body", "isolated"), REFUSALS, ids=range(len(REFUSALS)))
async def test_a_refusal_of_the_recipient_is_the_emails_own(
    status: int, body: bytes, isolated: bool
) -> None:
    async with answer_server(status, body) as url:
        delivery = await send_one(url)
    assert (delivery.verdict, delivery.isolated) == ("refused", isolated)


BODIES = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'{"errors": {}}',
    b'{"errors": [1, null, {"field": 5}]}',
    b"[" * 60_000,
    b"x" * 200_000,
    error_body((f"not valid: {ADDRESS}", ADDRESS), (KEY, KEY), ("", f"content.{ADDRESS}")),
]


@pytest.mark.parametrize("status", [400, 404, 408, 413, 422])
async def test_the_text_of_a_refusal_is_never_quoted(status: int) -> None:
    for body in BODIES:
        async with answer_server(status, body) as url:
            delivery = await send_one(url)
        assert delivery.verdict != "accepted"
        assert delivery.reason.startswith(f"{status}: ")
        assert len(delivery.reason) < 200
        assert not re.search(r"@|SG\.|xxx|ann", delivery.reason)


async def test_a_refusal_names_the_fields_that_the_schema_knows() -> None:
    listed = ["from.email", "subject", "from.email", "personalizations.0.headers.X-Eve", None]
    async with answer_server(400, error_body(*(("wrong", field) for field in listed))) as url:
        delivery = await send_one(url)
    assert delivery.reason.endswith("(from.email, subject, personalizations.0.headers)")


WRONG = b'{"errors": [{"message": %s, "field": "personalizations.0.to.0.email"}]}'


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + WRONG % b'"no"',
        WRONG % b"NaN",
        WRONG % b"-Infinity",
        WRONG % rb'"\ud800"',
        WRONG % b'"\xff\xfe"',
        WRONG % b'"a\tb\x00"',
    ],
)
async def test_a_refusal_is_read_around_a_value_that_cannot_be(body: bytes) -> None:
    async with answer_server(400, body) as url:
        delivery = await send_one(url)
    reason = "400: the request is not valid (personalizations.0.to.0.email)"
    assert delivery == SendResult(verdict="refused", reason=reason, isolated=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"text": KEY}, "begins like a key"), ({"subject": "\ud800"}, "its text is not Unicode")],
)
async def test_content_that_cannot_be_sent_is_refused(
    changes: dict[str, str], reason: str, sendgrid: FakeSendGrid
) -> None:
    delivery = await send_one(sendgrid.url, make_message(**changes))
    assert (delivery.verdict, delivery.isolated, sendgrid.requests) == ("refused", True, 0)
    assert reason in delivery.reason
    assert KEY not in delivery.reason
