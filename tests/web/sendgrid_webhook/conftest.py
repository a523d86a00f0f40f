"""A public listener with an events key, and SendGrid's side of it."""

import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from chesscoach.config import ListenAddress
from chesscoach.context import Context
from chesscoach.emails.webhook.signatures import EventSignatures
from chesscoach.errors import StoreFailed
from chesscoach.web.sendgrid_webhook import SendGridWebhook
from chesscoach.web.server import start_listener
from tests.conftest import NOON, Clock
from tests.support.emails.webhook_signing import SigningKey, request_body

KEY = SigningKey()
ANY_PORT = ListenAddress(host="127.0.0.1", port=0)


class RecordingOutbox:
    """An outbox that keeps what it hears; it may fail once."""

    def __init__(self) -> None:
        self.accepted: dict[str, datetime] = {}
        self.calls = 0
        self.failing = False

    async def confirm_accepted(self, accepted: Mapping[str, datetime]) -> int:
        """Takes it in."""
        self.calls += 1
        if self.failing:
            self.failing = False
            raise StoreFailed("MongoDB refused an operation")
        self.accepted |= accepted
        return len(accepted)


class WebhookClient:
    """SendGrid's side."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status that a request gets."""
        async with self._session.post(
            f"{self.url}/events/sendgrid", data=io.BytesIO(body), headers=headers
        ) as response:
            await response.read()
            return response.status

    async def post_events(self, *events: object, at: datetime = NOON) -> int:
        """The status that a signed batch gets."""
        body = request_body(*events)
        return await self.post(body, KEY.sign(body, at))


@pytest.fixture
def outbox() -> RecordingOutbox:
    """What has been heard of emails."""
    return RecordingOutbox()


@pytest.fixture
async def webhook(ctx: Context, outbox: RecordingOutbox) -> AsyncIterator[WebhookClient]:
    """The public listener with an events key, at noon."""
    signatures = EventSignatures(KEY.public, Clock(NOON))
    events = SendGridWebhook(signatures, ctx.emails.suppressions, outbox, ctx.metrics, Clock(NOON))
    routes = events.routes()
    async with (
        start_listener("public", ANY_PORT, routes, ctx.metrics) as url,
        aiohttp.ClientSession() as session,
    ):
        yield WebhookClient(session, url)


def suppressed_addresses(db: Any) -> dict[str, str]:
    return {row["_id"]: row["reason"] for row in db.email_suppressions.find()}


def remembered_ids(db: Any) -> set[str]:
    return {row["_id"] for row in db.email_events.find()}


def event_counts(ctx: Context, kind: str) -> float:
    labels = {"event": kind}
    found = ctx.metrics.registry.get_sample_value("chesscoach_email_events_total", labels)
    return found or 0
