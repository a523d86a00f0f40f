"""From those who want the mail, or what the outbox still owes, to letters that can be sent."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from chesscoach import log
from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import delivery_time
from chesscoach.emails.sending.sender import OutgoingEmail
from chesscoach.emails.store import outbox_values
from chesscoach.emails.store.outbox_values import NewEmail, OutboxEntry
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.emails.weekly import summary
from chesscoach.emails.weekly.values import EmailKind, Message, Recipient, Summary
from chesscoach.errors import ChesscoachError
from chesscoach.schedules.iso_week import Week
from chesscoach.worker.job import Run

if TYPE_CHECKING:  # else every command would import templates, languages and the inliner
    from chesscoach.emails.rendering import Renderer

KIND: EmailKind = "weekly_summary"
ADDRESS_PATTERN = re.compile(r"[^\s@,;<>\"\x00-\x20\x7f]{1,64}@[^\s@,;<>\"\x00-\x20\x7f]{1,255}")
"""What can be sent to; the rest is `bad_address`."""


class DueEmail(Struct, frozen=True, kw_only=True):
    """Somebody who is owed the mail of a week, as that week was in a time zone."""

    recipient: Recipient
    week: Week
    zone: ZoneInfo

    @property
    def outbox_id(self) -> str:
        """The mail's name in the outbox."""
        return outbox_values.outbox_id(KIND, self.recipient.user_id, self.week)


def render_message(
    renderer: "Renderer", due: DueEmail, told: Summary, unsubscribe_url: str
) -> Message:
    """The mail that tells of a week; where there is nothing to tell, the note that says so."""
    if told.is_empty:
        return renderer.render_no_games_note(
            due.week, due.recipient, outbox_id=due.outbox_id, unsubscribe_url=unsubscribe_url
        )
    return renderer.render_summary(
        told, due.recipient, outbox_id=due.outbox_id, unsubscribe_url=unsubscribe_url
    )


class ComposerDependencies(Struct, frozen=True, kw_only=True):
    """What letters are written with; `repeatable` is the transport's word that a second is none."""

    renderer: "Renderer"
    links: UnsubscribeLinks
    repeatable: bool


class EmailComposer:
    """One run's way through those who are owed a mail."""

    def __init__(self, ctx: EmailContext, run: Run, desk: ComposerDependencies | None) -> None:
        self._ctx = ctx
        self._run = run
        self._dependencies = desk
        self._emails = ctx.settings

    async def batches(
        self, pages: AsyncIterator[Sequence[DueEmail]]
    ) -> AsyncIterator[AsyncIterator[OutgoingEmail]]:
        """A batch of letters for each page: read when it is asked for, written letter by letter.

        In a rehearsal there are no letters, for everything is only counted.
        """
        async for page in pages:
            by_id = {due.outbox_id: due for due in page}
            rows = await self._outbox_entries(by_id)
            still = [row for row in rows.values() if await self._is_sendable(row)]
            self._run.counts.candidates += len(still)
            yield self._compose(await self._to_compose(by_id, still))

    async def _outbox_entries(self, by_id: Mapping[str, DueEmail]) -> dict[str, OutboxEntry]:
        """The rows of a page; those that there are not yet are made, unless it is a rehearsal."""
        now = self._ctx.now()
        rows = await self._ctx.outbox.find_many(by_id)
        new = [
            NewEmail(kind=KIND, user_id=due.recipient.user_id, week=due.week)
            for key, due in by_id.items()
            if key not in rows
        ]
        if not self._run.dry_run:
            await self._ctx.outbox.enqueue(new, now)
        rows |= {owed.id: outbox_values.new_value(owed, now) for owed in new}
        settled = await self._mark_orphaned(list(rows.values()), now)
        return rows | settled

    async def _mark_orphaned(
        self, rows: list[OutboxEntry], now: datetime
    ) -> dict[str, OutboxEntry]:
        """What processes have left that died while they were sending."""
        left = [row for row in rows if row.state == "sending" and self._is_orphaned(row, now)]
        if not left or self._run.dry_run:
            return {}
        reason = "the process that was sending it died"
        await self._ctx.outbox.mark_unknown(left, "unknown", reason)
        log.get_logger().warning("emails_unknown", count=len(left), first=left[0].id)
        return {
            row.id: msgspec.structs.replace(row, state="unknown", resends=max(row.resends - 1, 0))
            for row in left
        }

    def _is_orphaned(self, row: OutboxEntry, now: datetime) -> bool:
        """Whether the process that was sending an email has died.

        Fences of different leases, such as those of two shards, say nothing about each other.
        """
        superseded = row.lease == self._run.lease and row.fence < self._run.fence
        return superseded or (row.until is not None and row.until < now)

    async def _is_sendable(self, row: OutboxEntry) -> bool:
        """Whether a mail is to be sent now; counts what is neither that nor at its end."""
        if row.state == "pending":
            return True
        if row.state == "unknown":
            if self._may_resend(row):
                return True
            self._run.counts.note("mails_still_unknown")
        elif row.state == "sending":
            self._run.counts.note("emails_in_progress")
        else:
            self._run.counts.note(f"mails_{row.state}_before")
        return False

    def _may_resend(self, row: OutboxEntry) -> bool:
        """Whether an unknown mail may be sent again: it is no second mail, or none was heard of."""
        if self._dependencies is None or self._dependencies.repeatable:
            return self._dependencies is not None
        settings = self._emails.sendgrid
        if (
            not settings.events_key
            or row.resends >= delivery_time.RESENDS
            or row.claimed_at is None
        ):
            return False
        return row.claimed_at + timedelta(seconds=settings.resend_after_s) <= self._ctx.now()

    async def _to_compose(
        self, by_id: Mapping[str, DueEmail], rows: Sequence[OutboxEntry]
    ) -> list[tuple[OutboxEntry, DueEmail, Summary | None]]:
        """The rows that are to become letters, with the week's numbers unless one is frozen."""
        bad = {
            row.id for row in rows if not ADDRESS_PATTERN.fullmatch(by_id[row.id].recipient.email)
        }
        await self._skip(dict.fromkeys(bad, "bad_address"))
        fresh = [row for row in rows if not row.frozen and row.id not in bad]
        told = await self._summaries([by_id[row.id] for row in fresh])
        if not self._emails.no_games_note:
            empty = [row.id for row in fresh if told[row.id].is_empty]
            await self._skip(dict.fromkeys(empty, "no_games"))
            bad |= set(empty)
        return [(row, by_id[row.id], told.get(row.id)) for row in rows if row.id not in bad]

    async def _compose(
        self, owed: Sequence[tuple[OutboxEntry, DueEmail, Summary | None]]
    ) -> AsyncIterator[OutgoingEmail]:
        """The letters of rows: as they were frozen, else made of the week's numbers."""
        for row, due, told in owed:
            if self._dependencies is None:
                self._run.counts.note("would_send")
                continue
            message = (
                await self._ctx.outbox.frozen_message(row.id)
                if told is None
                else self._message(self._dependencies, due, told)
            )
            if message is not None:
                yield OutgoingEmail(entry=row, user_id=due.recipient.user_id, message=message)

    async def _summaries(self, due: Sequence[DueEmail]) -> dict[str, Summary]:
        """The weeks of some players in numbers, by the mail's name: one read for each zone."""
        together: dict[tuple[Week, str], list[DueEmail]] = defaultdict(list)
        for each in due:
            together[each.week, each.zone.key].append(each)
        told = {}
        for (week, _), group in together.items():
            ids = [each.recipient.user_id for each in group]
            found = await self._ctx.player_weeks.read(ids, week, group[0].zone)
            for each in group:
                told[each.outbox_id] = summary.summarise(found[each.recipient.user_id])
        return told

    def _message(self, desk: ComposerDependencies, due: DueEmail, told: Summary) -> Message | None:
        """The letter; one that cannot be written hinders no other."""
        url = desk.links.url(due.recipient.user_id, KIND)
        try:
            return render_message(desk.renderer, due, told, url)
        except Exception as error:  # noqa: BLE001  # as it says
            ours = isinstance(error, ChesscoachError)
            reason = str(error) if ours else type(error).__name__
            self._run.counts.failed += 1
            self._run.counts.add_error(user_id=due.recipient.user_id, error=reason)
            log.get_logger().warning(
                "email_render_failed",
                outbox_id=due.outbox_id,
                reason=reason,
                exc_info=None if ours else error,
            )
            return None

    async def _skip(self, reasons: Mapping[str, str]) -> None:
        if not self._run.dry_run:
            await self._ctx.outbox.skip(reasons, self._ctx.now())
        for reason in reasons.values():
            self._run.counts.skipped += 1
            self._run.counts.note(f"skipped_{reason}")
