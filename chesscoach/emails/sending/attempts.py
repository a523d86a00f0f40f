"""One attempt to send an email: claim, check, send, record.

The claim is written before the first byte leaves, so that no crash sends an email twice. The result
of an attempt that a crash cut off is unknown, and such an email is never sent again blindly.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import uuid4

from msgspec import Struct

from chesscoach.emails.context import EmailContext
from chesscoach.emails.recipient import EmailKind
from chesscoach.emails.sending.batching import Batcher
from chesscoach.emails.store.outbox_values import AttemptResult, EmailClaim, OutboxEntry, State
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.transports.transport import Message, SendResult, Transport
from chesscoach.worker.job import Run

STATES: dict[str, State] = {
    "accepted": "sent",
    "sandboxed": "skipped",
    "refused": "failed",
    "throttled": "pending",
    "not_sent": "pending",
    "stopped": "pending",
    "unknown": "unknown",
}
"""The state of an outbox entry after each verdict."""


class OutgoingEmail(Struct, frozen=True, kw_only=True):
    """An email to send: its outbox entry, its user and its message."""

    entry: OutboxEntry
    user_id: str
    message: Message


class Attempts:
    """Makes attempts, at most `transport.in_flight` at a time; `may_send` can hold them back.

    Claims and results are written in batches: those that wait for a write go with the next one.
    """

    def __init__(
        self,
        ctx: EmailContext,
        run: Run,
        kind: EmailKind,
        transport: Transport,
        may_send: Callable[[], bool],
    ) -> None:
        self._ctx = ctx
        self._run = run
        self._kind: EmailKind = kind
        self._transport = transport
        self._may_send = may_send
        self._claim = Batcher(self._claim_all)
        self._record = Batcher(self._record_all)
        self._slots = asyncio.Semaphore(transport.in_flight)

    async def make(self, email: OutgoingEmail) -> SendResult | None:
        """Make one attempt; None if the claim was not granted."""
        now = self._ctx.now()
        claim = EmailClaim(
            entry=email.entry,
            token=uuid4().hex,
            lease=self._run.lease,
            fence=self._run.fence,
            at=now,
            until=now + timedelta(seconds=2 * self._ctx.lease_s),
            message=email.message,
        )
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if not await self._claim(claim):
            return None
        async with self._slots:
            # After that time another process may have taken the claim over.
            if loop.time() - begun > self._ctx.lease_s / 3:
                result = SendResult(verdict="not_sent", reason="its turn came too late")
            elif not self._may_send():
                result = SendResult(verdict="not_sent", reason="sending is paused or stopped")
            else:
                result = await self._transport.send(email.message)
        await self._record(
            AttemptResult(
                id=email.entry.id,
                token=claim.token,
                state=STATES[result.verdict],
                at=self._ctx.now(),
                reason=result.reason or None,
                message_id=result.message_id,
            )
        )
        self._ctx.metrics.emails.labels(self._kind, result.verdict).inc()
        return result

    async def _claim_all(self, claims: Sequence[EmailClaim]) -> Sequence[bool]:
        """Claim the emails that their recipients still want; skip the others."""
        ctx = self._ctx
        subscribed = await ctx.subscriptions.subscribed(
            [claim.entry.user_id for claim in claims], self._kind
        )
        suppressed = await ctx.suppressions.find_suppressed([claim.message.to for claim in claims])
        unwanted = {}
        for claim in claims:
            if claim.entry.user_id not in subscribed:
                unwanted[claim.entry.id] = "unsubscribed"
            elif normalize_address(claim.message.to) in suppressed:
                unwanted[claim.entry.id] = "suppressed"
        if unwanted:
            await ctx.outbox.skip(unwanted, ctx.now())
            for reason in unwanted.values():
                self._run.counts.skipped += 1
                self._run.counts.note(f"skipped_{reason}")
        wanted = [claim for claim in claims if claim.entry.id not in unwanted]
        granted = await ctx.outbox.claim(wanted) if wanted else set()
        return [claim.entry.id in granted for claim in claims]

    async def _record_all(self, results: Sequence[AttemptResult]) -> Sequence[None]:
        await self._ctx.outbox.record(results)
        return [None] * len(results)
