"""`/events/sendgrid`: what SendGrid tells of our mails, in signed batches.

Effects come first, then the events' ids are remembered, then SendGrid gets its answer: after a
crash in between it sends the batch again, and the same effects are no new ones. Events come twice
and in any order, so nothing here rests on which was first.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aiohttp import web

from chesscoach import log
from chesscoach.emails.store.suppressions import Suppressions
from chesscoach.emails.webhook.events import Batch, Event, read
from chesscoach.emails.webhook.signatures import SIGNATURE, TIMESTAMP, EventSignatures
from chesscoach.errors import SignatureRefused, StoreFailed, StoreUnavailable
from chesscoach.metrics import Metrics

_BODY = 2**20
_QUIET = timedelta(minutes=1)


class Outbox(Protocol):
    """Whom it concerns that SendGrid has our mails."""

    def heard_of(self, accepted: Mapping[str, datetime]) -> Awaitable[int]:
        """Takes in when SendGrid had which mail at the latest, by outbox id.

        Some may be known already, or be no mails of ours. Returns how many that settled.
        """


class Events:
    """The handler of SendGrid's Event Webhook; a body is waited for `body_s`."""

    def __init__(
        self,
        signatures: EventSignatures,
        suppressions: Suppressions,
        outbox: Outbox,
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
        self._complain_at = now()

    def routes(self) -> list[web.RouteDef]:
        """The one route."""
        return [web.post("/events/sendgrid", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        """204 once all is written; 403 for what is not signed, 503 to be sent it again."""
        body = await _body(request, self._body_s)
        headers = request.headers
        try:
            self._signatures.check(body, headers.get(SIGNATURE), headers.get(TIMESTAMP))
        except SignatureRefused as error:
            self._complain(str(error))
            raise web.HTTPForbidden from None
        batch = read(body)
        if batch is None:
            log.get_logger().warning("events_unreadable", bytes=len(body))
            raise web.HTTPBadRequest
        try:
            await self._act(batch)
        except (StoreUnavailable, StoreFailed) as error:
            log.get_logger().warning("events_not_taken", error=str(error))
            raise web.HTTPServiceUnavailable from None
        return web.Response(status=204)

    def _complain(self, reason: str) -> None:
        """Anybody can send what is refused: a line a minute, and the metric of requests for all."""
        now = self._now()
        if now >= self._complain_at:
            self._complain_at = now + _QUIET
            log.get_logger().warning("events_refused", reason=reason)

    async def _act(self, batch: Batch) -> None:
        fresh = await self._suppressions.fresh([event.id for event in batch.events])
        events = [event for event in batch.events if event.id in fresh]
        suppressed = await self._suppressions.suppress(
            [item for event in events if (item := event.suppression) is not None]
        )
        heard: dict[str, datetime] = {}
        for event in events:
            if event.outbox_id is not None:
                at = heard.setdefault(event.outbox_id, event.at)
                heard[event.outbox_id] = min(at, event.at)
        settled = await self._outbox.heard_of(heard) if heard else 0
        await self._suppressions.remember(fresh, self._now())
        self._tell(batch, events, suppressed, settled)

    def _tell(self, batch: Batch, events: Sequence[Event], suppressed: int, settled: int) -> None:
        """Counts once all is done, for a batch may come again; no address is told."""
        kinds = Counter(event.kind for event in events)
        kinds["duplicate"] = batch.repeated + len(batch.events) - len(events)
        kinds["unreadable"] = batch.unreadable
        for kind, count in kinds.items():
            self._metrics.email_events.labels(kind).inc(count)
        told = {kind: count for kind, count in kinds.items() if count}
        log.get_logger().info("events_taken", suppressed=suppressed, settled=settled, **told)
        if batch.unreadable:
            log.get_logger().warning("events_skipped", count=batch.unreadable)
        if dropped := [event for event in events if event.drop_is_ours]:
            reasons = sorted({event.reason for event in dropped})
            log.get_logger().warning("mails_dropped", count=len(dropped), reasons=reasons[:5])


async def _body(request: web.Request, within_s: float) -> bytes:
    """The body as it came; a batch of SendGrid's is larger than what others may send."""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _BODY:
                    raise web.HTTPRequestEntityTooLarge(_BODY, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, web.RequestPayloadError):  # the sender's fault: nothing for our log
        raise web.HTTPBadRequest from None
    return bytes(body)
