"""Sends a run's emails: the order, the retries, and when to stop.

The first email of a run goes alone: a bad key must not use up ten thousand attempts. Reading,
claiming, sending and recording overlap, so the provider does not wait for the database.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

import msgspec

from chesscoach import log
from chesscoach.emails.context import EmailContext
from chesscoach.emails.recipient import EmailKind
from chesscoach.emails.sending.attempts import STATES, Attempts, OutgoingEmail
from chesscoach.emails.transports.transport import SendResult, Transport
from chesscoach.errors import ChesscoachError, EmailSuspended
from chesscoach.worker.job import Run

_MAX_CONSECUTIVE_FAILURES = 10
"""After this many failures in a row the emails are not the cause. Isolated ones do not count."""

_SENDERS_PER_CONNECTION = 1.5
"""More than one, because some emails are claimed or recorded while others are on their way."""

_MAX_TRIES = 6
"""An email that is throttled or not sent this often in a row stops the run."""


class EmailSender:
    """Sends the emails that it receives; `stop_reason` is why it has stopped."""

    def __init__(self, ctx: EmailContext, run: Run, kind: EmailKind, transport: Transport) -> None:
        self._ctx = ctx
        self._run = run
        self._in_flight = transport.in_flight
        self._attempts = Attempts(ctx, run, kind, transport, self._may_send)
        self._queue: asyncio.Queue[OutgoingEmail | None] = asyncio.Queue(transport.in_flight)
        self._batch: AsyncIterator[OutgoingEmail] | None = None
        self._proven = asyncio.Event()
        self._canary = asyncio.Lock()
        self._resume_at = 0.0
        self._consecutive_failures = 0
        self.stop_reason: ChesscoachError | None = None

    @property
    def stopped(self) -> bool:
        """Whether no further attempt may begin."""
        return self._run.stopping or self.stop_reason is not None

    def _may_send(self) -> bool:
        return not self.stopped and asyncio.get_running_loop().time() >= self._resume_at

    def _mark_unfinished(self) -> None:
        """Mark the run as incomplete, unless an error is the reason."""
        self._run.incomplete = self.stop_reason is None

    async def deliver(self, batches: AsyncIterator[AsyncIterator[OutgoingEmail]]) -> None:
        """Send all emails; finish every attempt that has begun, whatever happens.

        Raises:
            EmailSuspended: no email can be sent for now; the rest stays in the outbox.
        """
        senders = [self._send() for _ in range(ceil(_SENDERS_PER_CONNECTION * self._in_flight))]
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
        except ChesscoachError as error:  # the attempts that have begun finish first
            self.stop_reason = self.stop_reason or error
        for _ in range(senders):
            await self._queue.put(None)

    async def _read(self, batches: AsyncIterator[AsyncIterator[OutgoingEmail]]) -> None:
        self._batch = await anext(batches, None)

    async def _enqueue(self, emails: AsyncIterator[OutgoingEmail]) -> None:
        async for email in emails:
            if self.stopped:
                self._mark_unfinished()
                return
            await self._queue.put(email)
            await asyncio.sleep(0)  # composing an email takes a millisecond; let others run

    async def _send(self) -> None:
        while (email := await self._queue.get()) is not None:
            if self.stopped:
                self._mark_unfinished()
                continue
            try:
                await self._deliver_with_retries(email)
            except ChesscoachError as error:
                self.stop_reason = self.stop_reason or error

    async def _deliver_with_retries(self, email: OutgoingEmail) -> None:
        """Try until the email is accepted or cannot be."""
        for number in range(_MAX_TRIES):
            async with self._canary_only():
                result = await self._try_once(email)
            if result is None or result.verdict not in ("throttled", "not_sent"):
                return
            if self.stopped:
                self._mark_unfinished()
                return
            wait_s = result.wait_s if result.verdict == "throttled" else 0.5 * 2**number
            self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + wait_s)
            log.get_logger().warning(
                "email_retry_scheduled", reason=result.reason, wait_s=round(wait_s, 1)
            )
            entries = await self._ctx.outbox.find_many([email.entry.id])
            if email.entry.id not in entries:
                return
            email = msgspec.structs.replace(email, entry=entries[email.entry.id])
            if number == _MAX_TRIES - 1:
                self._suspend(f"an email was not sent in {_MAX_TRIES} tries: {result.reason}")

    @asynccontextmanager
    async def _canary_only(self) -> AsyncIterator[None]:
        """Let one email through at a time until one has been accepted."""
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
        """Wait until the provider accepts requests again, or the run stops."""
        while not self.stopped:
            left = self._resume_at - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.5))

    async def _try_once(self, email: OutgoingEmail) -> SendResult | None:
        """Make one attempt; None if there was none to make."""
        await self._pause()
        if self.stopped:
            self._mark_unfinished()
            return None
        result = await self._attempts.make(email)
        if result is not None:
            self._count(email, result)
        return result

    def _count(self, email: OutgoingEmail, result: SendResult) -> None:
        counts, verdict = self._run.counts, result.verdict
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
            counts.note(f"emails_{STATES[verdict]}")
            counts.add_error(user_id=email.user_id, error=result.reason)
            if not result.isolated:
                self._consecutive_failures += 1
            log.get_logger().warning(
                "email_failed",
                outbox_id=email.entry.id,
                state=STATES[verdict],
                reason=result.reason,
            )
        if verdict == "stopped":
            self._suspend(result.reason)
        elif self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES:
            self._suspend(f"{self._consecutive_failures} emails in a row failed: {result.reason}")

    def _suspend(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = EmailSuspended(f"no email is sent for now: {reason}")
            log.get_logger().error("email_sending_stopped", reason=reason)
