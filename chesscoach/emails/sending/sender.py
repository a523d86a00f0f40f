"""Hands letters over, so many at a time, and keeps the outbox true to what became of them.

For each: claim, screen, post, record. The claim is written before the first byte leaves, so that
no crash sends a mail twice; what a crash leaves is unknown, and is never sent again blindly. The
first mail of a run goes alone: a bad key must not burn ten thousand attempts.

The provider is not kept waiting by the database: while a batch of letters is queued the next one is
read, and while some mails are on their way others are claimed and recorded.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from math import ceil
from uuid import uuid4

import msgspec
from msgspec import Struct

from chesscoach import log
from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending.batching import Batcher
from chesscoach.emails.store.outbox_values import AttemptResult, EmailClaim, OutboxEntry, State
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.transports.transport import Transport
from chesscoach.emails.weekly.values import EmailKind, Message, SendResult
from chesscoach.errors import ChesscoachError, EmailSuspended
from chesscoach.worker.job import Run

_MAX_CONSECUTIVE_FAILURES = 10
"""So many mails one after another that were not taken are not the mails' fault."""

_SENDERS_PER_CONNECTION = 1.5
"""For each mail that may be on its way: some are being claimed or recorded meanwhile."""

_MAX_TRIES = 6
"""A mail that is throttled, or does not get out, so often in a row ends the run."""

_STATES: dict[str, State] = {
    "accepted": "sent",
    "sandboxed": "skipped",
    "refused": "failed",
    "throttled": "pending",
    "not_sent": "pending",
    "stopped": "pending",
    "unknown": "unknown",
}


class OutgoingEmail(Struct, frozen=True, kw_only=True):
    """A mail that is owed: its row, whose it is, and what is to be sent."""

    entry: OutboxEntry
    user_id: str
    message: Message


class EmailSender:
    """Sends the emails that it receives; `stop_reason` is why it has stopped."""

    def __init__(self, ctx: EmailContext, run: Run, kind: EmailKind, transport: Transport) -> None:
        self._ctx = ctx
        self._run = run
        self._kind: EmailKind = kind
        self._transport = transport
        self._claim = Batcher(self._claim_all)
        self._record = Batcher(self._record_all)
        self._queue: asyncio.Queue[OutgoingEmail | None] = asyncio.Queue(transport.in_flight)
        self._batch: AsyncIterator[OutgoingEmail] | None = None
        self._slots = asyncio.Semaphore(transport.in_flight)
        self._proven = asyncio.Event()
        self._canary = asyncio.Lock()
        self._resume_at = 0.0
        self._consecutive_failures = 0
        self.stop_reason: ChesscoachError | None = None

    @property
    def stopped(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._run.stopping or self.stop_reason is not None

    def _mark_unfinished(self) -> None:
        """Something stays owed: because we were asked to stop, unless there is trouble."""
        self._run.incomplete = self.stop_reason is None

    async def deliver(self, batches: AsyncIterator[AsyncIterator[OutgoingEmail]]) -> None:
        """Sends all of them; what is begun is brought to its end whatever happens.

        Raises:
            EmailSuspended: no mail can be sent for now; what is left is still owed.
        """
        senders = [
            self._send() for _ in range(ceil(_SENDERS_PER_CONNECTION * self._transport.in_flight))
        ]
        await self._run.run_concurrently(self._feed(batches, len(senders)), *senders)
        if self.stop_reason is not None:
            raise self.stop_reason

    async def _feed(
        self, batches: AsyncIterator[AsyncIterator[OutgoingEmail]], senders: int
    ) -> None:
        try:
            await self._read(batches)
            while self._batch is not None:
                if self.stopped:
                    self._mark_unfinished()
                    break
                await self._run.run_concurrently(self._enqueue(self._batch), self._read(batches))
        except ChesscoachError as error:  # those that are on their way come to their end first
            self.stop_reason = self.stop_reason or error
        for _ in range(senders):
            await self._queue.put(None)

    async def _read(self, batches: AsyncIterator[AsyncIterator[OutgoingEmail]]) -> None:
        self._batch = await anext(batches, None)

    async def _enqueue(self, letters: AsyncIterator[OutgoingEmail]) -> None:
        async for letter in letters:
            if self.stopped:
                self._mark_unfinished()
                return
            await self._queue.put(letter)
            await asyncio.sleep(0)  # writing one takes a millisecond: others have their turn

    async def _send(self) -> None:
        while (letter := await self._queue.get()) is not None:
            if self.stopped:
                self._mark_unfinished()
                continue
            try:
                await self._deliver_with_retries(letter)
            except ChesscoachError as error:
                self.stop_reason = self.stop_reason or error

    async def _deliver_with_retries(self, letter: OutgoingEmail) -> None:
        """Tries until it is taken, or known not to be."""
        for number in range(_MAX_TRIES):
            async with self._canary_only():
                delivery = await self._try_once(letter)
            if delivery is None or delivery.verdict not in ("throttled", "not_sent"):
                return
            if self.stopped:
                self._mark_unfinished()
                return
            wait_s = delivery.wait_s if delivery.verdict == "throttled" else 0.5 * 2**number
            self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + wait_s)
            log.get_logger().warning(
                "email_retry_scheduled", reason=delivery.reason, wait_s=round(wait_s, 1)
            )
            rows = await self._ctx.outbox.find_many([letter.entry.id])
            if letter.entry.id not in rows:
                return
            letter = msgspec.structs.replace(letter, entry=rows[letter.entry.id])
            if number == _MAX_TRIES - 1:
                self._suspend(
                    f"a mail was not handed over in {_MAX_TRIES} tries: {delivery.reason}"
                )

    @asynccontextmanager
    async def _canary_only(self) -> AsyncIterator[None]:
        """Until one mail has been accepted they go one after another."""
        if self._proven.is_set():
            yield
            return
        await self._canary.acquire()
        if self._proven.is_set():
            self._canary.release()
            yield
            return
        try:
            yield
        finally:
            self._canary.release()

    async def _pause(self) -> None:
        """Waits until the provider wants to hear of us again, or we are to stop."""
        while not self.stopped:
            left = self._resume_at - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.5))

    async def _try_once(self, letter: OutgoingEmail) -> SendResult | None:
        """One try; None if it was not ours to make."""
        await self._pause()
        if self.stopped:
            self._mark_unfinished()
            return None
        claim, delivery = await self._claim_and_send(letter)
        if delivery is not None:
            await self._record_result(letter, claim, delivery)
        return delivery

    async def _claim_and_send(self, letter: OutgoingEmail) -> tuple[EmailClaim, SendResult | None]:
        """Claims a mail and hands it over, if it is ours."""
        loop, now = asyncio.get_running_loop(), self._ctx.now()
        lease_s = self._ctx.lease_s
        claim = EmailClaim(
            entry=letter.entry,
            token=uuid4().hex,
            lease=self._run.lease,
            fence=self._run.fence,
            at=now,
            until=now + timedelta(seconds=2 * lease_s),
            message=letter.message,
        )
        begun = loop.time()
        if not await self._claim(claim):
            return claim, None
        async with self._slots:
            if loop.time() - begun > lease_s / 3:  # it may have become another's meanwhile
                return claim, SendResult(verdict="not_sent", reason="its turn came too late")
            if self.stopped or loop.time() < self._resume_at:
                return claim, SendResult(verdict="not_sent", reason="no mail is to leave for now")
            return claim, await self._transport.send(letter.message)

    async def _record_result(
        self, letter: OutgoingEmail, claim: EmailClaim, delivery: SendResult
    ) -> None:
        await self._record(
            AttemptResult(
                id=letter.entry.id,
                token=claim.token,
                state=_STATES[delivery.verdict],
                at=self._ctx.now(),
                reason=delivery.reason or None,
                message_id=delivery.message_id,
            )
        )
        self._ctx.metrics.emails.labels(self._kind, delivery.verdict).inc()
        self._count(letter, delivery)

    def _count(self, letter: OutgoingEmail, delivery: SendResult) -> None:
        counts, verdict = self._run.counts, delivery.verdict
        if verdict in ("accepted", "sandboxed"):
            self._proven.set()
            self._consecutive_failures = 0
            if verdict == "accepted":
                counts.done += 1
            else:
                counts.skipped += 1
                counts.note("sandboxed")
            return
        if verdict in ("refused", "unknown"):
            counts.failed += 1
            counts.note(f"mails_{_STATES[verdict]}")
            counts.add_error(user_id=letter.user_id, error=delivery.reason)
            self._consecutive_failures += 1
            log.get_logger().warning(
                "mail_failed",
                outbox_id=letter.entry.id,
                state=_STATES[verdict],
                reason=delivery.reason,
            )
        if verdict == "stopped":
            self._suspend(delivery.reason)
        elif self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES:
            self._suspend(
                f"{self._consecutive_failures} mails in a row were not taken: {delivery.reason}"
            )

    def _suspend(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = EmailSuspended(f"no mail is sent for now: {reason}")
            log.get_logger().error("email_sending_stopped", reason=reason)

    async def _claim_all(self, claims: Sequence[EmailClaim]) -> Sequence[bool]:
        """Claims what may still be sent; the rest is skipped, for whom it is for says so now."""
        ctx, kind = self._ctx, self._kind
        wanted = await ctx.subscriptions.subscribed([each.entry.user_id for each in claims], kind)
        suppressed = await ctx.suppressions.find_suppressed([each.message.to for each in claims])
        unwanted = {}
        for each in claims:
            if each.entry.user_id not in wanted:
                unwanted[each.entry.id] = "unsubscribed"
            elif normalize_address(each.message.to) in suppressed:
                unwanted[each.entry.id] = "suppressed"
        if unwanted:
            await ctx.outbox.skip(unwanted, ctx.now())
            for reason in unwanted.values():
                self._run.counts.skipped += 1
                self._run.counts.note(f"skipped_{reason}")
        wished = [each for each in claims if each.entry.id not in unwanted]
        ours = await ctx.outbox.claim(wished) if wished else set()
        return [each.entry.id in ours for each in claims]

    async def _record_all(self, results: Sequence[AttemptResult]) -> Sequence[None]:
        await self._ctx.outbox.record(results)
        return [None] * len(results)
