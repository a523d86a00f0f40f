"""`/events/sendgrid`: SendGrid's events about our emails, in signed batches.

The handler applies the effects, then records the events' ids, then responds. After a crash in
between, SendGrid sends the batch again, and the same effects change nothing. Events come twice and
in any order, so nothing here depends on their order.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aiohttp import web

from chesscoach import log
from chesscoach.emails.store.suppressions import Suppressions
from chesscoach.emails.webhook.events import WebhookBatch, WebhookEvent, parse_batch
from chesscoach.emails.webhook.signatures import SIGNATURE, TIMESTAMP, EventSignatures
from chesscoach.errors import InvalidSignature, StoreFailed, StoreUnavailable
from chesscoach.metrics import Metrics

_MAX_BODY_BYTES = 2**20
_REJECTION_LOG_INTERVAL = timedelta(minutes=1)


class OutboxUpdates(Protocol):
    """The outbox, which learns that SendGrid has our emails."""

    def confirm_accepted(self, accepted: Mapping[str, datetime]) -> Awaitable[int]:
        """Mark emails as sent, by outbox id, with the time of an event; return how many changed.

        Some may be sent already, or may not be ours.
        """


class SendGridWebhook:
    """The handler of SendGrid's Event Webhook; `body_s` is the time limit of a body."""

    def __init__(
        self,
        signatures: EventSignatures,
        suppressions: Suppressions,
        outbox: OutboxUpdates,
        metrics: Metrics,
        now: Callable[[], datetime],
        body_s: float = 30.0,
    ) -> None:
        self._signatures = signatures
        self._suppressions = suppressions
        self._outbox = outbox
        self._metrics = metrics
        self._now = now
        self._body_s = body_s
        self._log_rejection_at = now()

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post("/events/sendgrid", self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        """Respond 204 once all is written, 403 without a signature, 503 to get the batch again."""
        body = await _read_body(request, self._body_s)
        headers = request.headers
        try:
            self._signatures.check(body, headers.get(SIGNATURE), headers.get(TIMESTAMP))
        except InvalidSignature as error:
            self._reject(str(error))
            raise web.HTTPForbidden from None
        batch = parse_batch(body, self._now())
        if batch is None:
            log.get_logger().warning("events_unreadable", bytes=len(body))
            raise web.HTTPBadRequest
        try:
            await self._apply(batch)
        except (StoreUnavailable, StoreFailed) as error:
            log.get_logger().warning("webhook_failed", error=str(error))
            raise web.HTTPServiceUnavailable from None
        return web.Response(status=204)

    def _reject(self, reason: str) -> None:
        """Log a refused request at most once a minute, because everyone can send one."""
        now = self._now()
        if now >= self._log_rejection_at:
            self._log_rejection_at = now + _REJECTION_LOG_INTERVAL
            log.get_logger().warning("events_refused", reason=reason)

    async def _apply(self, batch: WebhookBatch) -> None:
        fresh = await self._suppressions.unseen_events([event.id for event in batch.events])
        events = [event for event in batch.events if event.id in fresh]
        suppressed = await self._suppressions.suppress(
            [item for event in events if (item := event.suppression) is not None]
        )
        accepted: dict[str, datetime] = {}
        for event in events:
            if event.outbox_id is not None:
                at = accepted.setdefault(event.outbox_id, event.at)
                accepted[event.outbox_id] = min(at, event.at)
        settled = await self._outbox.confirm_accepted(accepted) if accepted else 0
        await self._suppressions.mark_events_seen(fresh, self._now())
        self._log_batch(batch, events, suppressed, settled)

    def _log_batch(
        self, batch: WebhookBatch, events: Sequence[WebhookEvent], suppressed: int, settled: int
    ) -> None:
        """Count and log after all is written, because a batch may come again; log no address."""
        kinds = Counter(event.kind for event in events)
        kinds["duplicate"] = batch.repeated + len(batch.events) - len(events)
        kinds["unreadable"] = batch.unreadable
        for kind, count in kinds.items():
            self._metrics.email_events.labels(kind).inc(count)
        counts = {kind: count for kind, count in kinds.items() if count}
        log.get_logger().info("webhook_processed", suppressed=suppressed, settled=settled, **counts)
        if batch.unreadable:
            log.get_logger().warning("events_skipped", count=batch.unreadable)
        if dropped := [event for event in events if event.dropped_for_content]:
            reasons = sorted({event.reason for event in dropped})
            log.get_logger().warning("emails_dropped", count=len(dropped), reasons=reasons[:5])


async def _read_body(request: web.Request, within_s: float) -> bytes:
    """Read the body; a batch may be larger than the body of other requests."""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _MAX_BODY_BYTES:
                    raise web.HTTPRequestEntityTooLarge(_MAX_BODY_BYTES, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, web.RequestPayloadError):  # the sender's fault: not logged
        raise web.HTTPBadRequest from None
    return bytes(body)
