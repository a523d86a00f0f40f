"""An email to send, and SendGrid as a transport to servers on loopback."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from chesscoach.config import SendGridSettings
from chesscoach.emails.transports.sendgrid import SendGridTransport
from chesscoach.emails.transports.transport import Message, SendResult
from tests.support.fake_sendgrid import FakeSendGrid
from tests.support.sources.server import http_server

SENDER = "coach@example.org"
ADDRESS = "ann@example.org"
UNSUBSCRIBE = {
    "List-Unsubscribe": "<https://coach.example.org/u/token>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def make_message(**changes: Any) -> Message:
    """A weekly email to Ann."""
    values: dict[str, Any] = {
        "outbox_id": "weekly_summary:u1:2026-W47",
        "to": ADDRESS,
        "subject": "Your week: 12 games",
        "text": "Hello Ann",
        "html": "<p>Hello Ann</p>",
        "headers": UNSUBSCRIBE,
    }
    return Message(**values | changes)


KEY = "SG.aaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
async def sendgrid() -> AsyncIterator[FakeSendGrid]:
    """The fake, which knows our key."""
    fake = FakeSendGrid(key=KEY)
    async with fake.serve():
        yield fake


def sendgrid_transport(
    url: str, *, key: str = KEY, lease_s: float = 60, **settings: Any
) -> SendGridTransport:
    """A transport to a URL, to be entered; its clock stands still."""
    chosen = SendGridSettings(base_url=url, **({"timeout_s": 20.0} | settings))
    return SendGridTransport(chosen, key, SENDER, "Chess Coach", lease_s, now=lambda: NOW)


async def send_one(url: str, message: Any = None, **changes: Any) -> SendResult:
    """What becomes of one email."""
    async with sendgrid_transport(url, **changes) as out:
        return await out.send(message or make_message())


def answer_server(status: int, body: bytes = b"", **headers: str) -> Any:
    """A server that answers everything so; what it was asked is in the list."""
    sent_headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=sent_headers)

    return http_server(handler)


def error_body(*listed: tuple[str, object]) -> bytes:
    """A body of errors in SendGrid's form."""
    return json.dumps({"errors": [{"message": m, "field": f} for m, f in listed]}).encode()
