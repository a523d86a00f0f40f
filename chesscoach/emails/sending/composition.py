"""Composes the emails of recipients, or of open outbox entries."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from chesscoach import log
from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import delivery_time
from chesscoach.emails.sending.attempts import OutgoingEmail
from chesscoach.emails.sending.due_email import KIND, DueEmail, count_failure
from chesscoach.emails.sending.summaries import ExtrasReader, SummaryReader
from chesscoach.emails.store import outbox_values
from chesscoach.emails.store.outbox_values import NewEmail, OutboxEntry
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.emails.weekly.values import Summary
from chesscoach.errors import DuplicateDocument, StoreFailed, StoreUnavailable
from chesscoach.worker.job import Run

if TYPE_CHECKING:  # else every command would import templates, languages and the inliner
    from chesscoach.emails.rendering import Renderer

ADDRESS_PATTERN = re.compile(r"[^\s@,;<>\"\x00-\x20\x7f]{1,64}@[^\s@,;<>\"\x00-\x20\x7f]{1,255}")
"""The addresses that can be sent to; the others are `bad_address`."""


_REFUSED = "a unique index that is not ours refuses the email: see `chesscoach db check`"


def render_message(
    renderer: "Renderer", due: DueEmail, week_summary: Summary, unsubscribe_url: str
) -> Message:
    """Render the summary of a week, or the note about a week without games."""
    if week_summary.is_empty:
        return renderer.render_no_games_note(
            due.week, due.recipient, outbox_id=due.outbox_id, unsubscribe_url=unsubscribe_url
        )
    return renderer.render_summary(
        week_summary, due.recipient, outbox_id=due.outbox_id, unsubscribe_url=unsubscribe_url
    )


class ComposerDependencies(Struct, frozen=True, kw_only=True):
    """What composing needs; `repeatable` is the transport's."""

    renderer: "Renderer"
    links: UnsubscribeLinks
    repeatable: bool


class EmailComposer:
    """Composes the emails of one run; without dependencies it only counts them (dry run)."""

    def __init__(
        self,
        ctx: EmailContext,
        run: Run,
        dependencies: ComposerDependencies | None,
        extras: ExtrasReader,
    ) -> None:
        self._ctx = ctx
        self._run = run
        self._dependencies = dependencies
        self._emails = ctx.settings
        self._summaries = SummaryReader(ctx, run, extras)

    async def batches(
        self, pages: AsyncIterator[Sequence[DueEmail]]
    ) -> AsyncIterator[AsyncIterator[OutgoingEmail]]:
        """Yield a batch of emails for each page; each email is composed when it is requested."""
        async for page in pages:
            by_id = {due.outbox_id: due for due in page}
            entries = await self._outbox_entries(by_id)
            sendable = [entry for entry in entries.values() if await self._is_sendable(entry)]
            self._run.counts.candidates += len(sendable)
            yield self._compose(await self._to_compose(by_id, sendable))

    async def _outbox_entries(self, by_id: Mapping[str, DueEmail]) -> dict[str, OutboxEntry]:
        """Read the entries of a page; create the missing ones, except in a dry run."""
        now = self._ctx.now()
        entries = await self._ctx.outbox.find_many(by_id)
        new = [
            NewEmail(kind=KIND, user_id=due.recipient.user_id, week=due.week)
            for key, due in by_id.items()
            if key not in entries
        ]
        refused = [] if self._run.dry_run else await self._ctx.outbox.enqueue(new, now)
        for key in refused:
            self._run.counts.candidates += 1
            count_failure(self._run, by_id[key], DuplicateDocument(_REFUSED))
        entries |= {
            email.id: outbox_values.new_value(email, now)
            for email in new
            if email.id not in refused
        }
        return entries | await self._mark_orphaned(list(entries.values()), now)

    async def _mark_orphaned(
        self, entries: list[OutboxEntry], now: datetime
    ) -> dict[str, OutboxEntry]:
        """Mark the entries as unknown whose process died while it was sending them."""
        orphaned = [
            entry for entry in entries if entry.state == "sending" and self._is_orphaned(entry, now)
        ]
        if not orphaned or self._run.dry_run:
            return {}
        reason = "the process that was sending it died"
        await self._ctx.outbox.mark_unknown(orphaned, "unknown", reason)
        log.get_logger().warning("emails_unknown", count=len(orphaned), first=orphaned[0].id)
        return {
            entry.id: msgspec.structs.replace(
                entry, state="unknown", resends=max(entry.resends - 1, 0)
            )
            for entry in orphaned
        }

    def _is_orphaned(self, entry: OutboxEntry, now: datetime) -> bool:
        """Whether the process that was sending an email has died.

        Fences of different leases, such as those of two shards, say nothing about each other.
        """
        superseded = entry.lease == self._run.lease and entry.fence < self._run.fence
        return superseded or (entry.until is not None and entry.until < now)

    async def _is_sendable(self, entry: OutboxEntry) -> bool:
        """Whether to send an email now; count it by its state if not."""
        if entry.state == "pending":
            return True
        if entry.state == "unknown":
            if self._may_resend(entry):
                return True
            self._run.counts.note("emails_still_unknown")
        elif entry.state == "sending":
            self._run.counts.note("emails_in_progress")
        else:
            self._run.counts.note(f"emails_{entry.state}_before")
        return False

    def _may_resend(self, entry: OutboxEntry) -> bool:
        """Whether an unknown email may be sent again: repeatable, or without an event in time."""
        if self._dependencies is None or self._dependencies.repeatable:
            return self._dependencies is not None
        settings = self._emails.sendgrid
        if (
            not settings.events_key
            or entry.resends >= delivery_time.RESENDS
            or entry.claimed_at is None
        ):
            return False
        return entry.claimed_at + timedelta(seconds=settings.resend_after_s) <= self._ctx.now()

    async def _to_compose(
        self, by_id: Mapping[str, DueEmail], entries: Sequence[OutboxEntry]
    ) -> list[tuple[OutboxEntry, DueEmail, Summary | None]]:
        """Skip the entries that get no email; return the others, with a summary unless frozen."""
        skipped = {
            entry.id
            for entry in entries
            if not ADDRESS_PATTERN.fullmatch(by_id[entry.id].recipient.email)
        }
        await self._skip(dict.fromkeys(skipped, "bad_address"))
        fresh = [entry for entry in entries if not entry.frozen and entry.id not in skipped]
        summaries = await self._summaries.read([by_id[entry.id] for entry in fresh])
        skipped |= {entry.id for entry in fresh} - set(summaries)
        if not self._emails.no_games_note:
            empty = [key for key, week_summary in summaries.items() if week_summary.is_empty]
            await self._skip(dict.fromkeys(empty, "no_games"))
            skipped |= set(empty)
        return [
            (entry, by_id[entry.id], summaries.get(entry.id))
            for entry in entries
            if entry.id not in skipped
        ]

    async def _compose(
        self, owed: Sequence[tuple[OutboxEntry, DueEmail, Summary | None]]
    ) -> AsyncIterator[OutgoingEmail]:
        """Yield the frozen message of an entry, or one rendered from its summary."""
        for entry, due, week_summary in owed:
            if self._dependencies is None:
                self._run.counts.note("would_send")
                continue
            message = await self._message(self._dependencies, entry, due, week_summary)
            if message is not None:
                yield OutgoingEmail(entry=entry, user_id=due.recipient.user_id, message=message)

    async def _message(
        self,
        dependencies: ComposerDependencies,
        entry: OutboxEntry,
        due: DueEmail,
        week_summary: Summary | None,
    ) -> Message | None:
        """The frozen message without a summary, else a new one; None, counted, if that fails."""
        try:
            if week_summary is None:
                return await self._ctx.outbox.frozen_message(entry.id)
            url = dependencies.links.url(due.recipient.user_id, KIND)
            message = render_message(dependencies.renderer, due, week_summary, url)
            msgspec.json.encode(message)  # half of a surrogate pair cannot be stored or sent
        except (StoreUnavailable, StoreFailed):
            raise
        except Exception as error:  # noqa: BLE001  # one bad email must not stop the others
            count_failure(self._run, due, error)
            return None
        return message

    async def _skip(self, reasons: Mapping[str, str]) -> None:
        if not self._run.dry_run:
            await self._ctx.outbox.skip(reasons, self._ctx.now())
        for reason in reasons.values():
            self._run.counts.skipped += 1
            self._run.counts.note(f"skipped_{reason}")
