"""Who is owed the mail: those who want it, by page, and the week that each is owed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import delivery_time, week_zone
from chesscoach.emails.sending.composition import KIND, DueEmail
from chesscoach.emails.store.recipients import PAGE_SIZE, TimezoneFilter
from chesscoach.emails.weekly.values import Recipient
from chesscoach.errors import ConfigError
from chesscoach.schedules import week_bounds
from chesscoach.schedules.iso_week import Week
from chesscoach.worker.job import Run

_EARLIEST_ZONE, _LATEST_ZONE = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")
"""Between them lie all the weeks that are closed somewhere as the last one."""


class Audience:
    """Whom a run is for.

    With a time of day in `[emails] deliver_at` each player's week is that of his own zone; else
    all share the zone of the schedule. A run by hand takes everybody, however late it is.
    """

    def __init__(
        self, ctx: EmailContext, run: Run, zone: ZoneInfo, week: Week | None, user_id: str | None
    ) -> None:
        self._ctx = ctx
        self._run = run
        self._zone = zone
        self._week = week
        self._user_id = user_id
        self._emails = ctx.settings
        self._at = delivery_time.local_time(self._emails.deliver_at)
        self._now: datetime = run.slot.at if run.slot is not None else ctx.now()

    async def subscribers(self) -> AsyncIterator[Sequence[DueEmail]]:
        """Pages of those who want the mail; without an address nothing can be sent to them."""
        due = await self._zones()
        if due is not None and not (due.wanted or due.rest):
            return
        async for page in self._ctx.recipients.subscribers(
            KIND, self._user_id, due, self._run.shard
        ):
            if self._run.stopping:
                self._run.incomplete = True
                return
            reachable = [each for each in page if each.email]
            if missing := len(page) - len(reachable):
                self._run.counts.candidates += missing
                self._run.counts.skipped += missing
                self._run.counts.note("skipped_no_address", missing)
            yield [self._due(each) for each in reachable]

    async def unsent(self) -> AsyncIterator[Sequence[DueEmail]]:
        """Pages of those whom the outbox still owes a mail of the last closed week."""
        for week in self._weeks():
            after = ""
            while rows := await self._ctx.outbox.find_open(week, after, PAGE_SIZE):
                after = max(rows)
                mine = [row for row in rows.values() if self._run.shard.contains(row.user_id)]
                kept = [row for row in mine if not self._is_stale(row.created_at)]
                ids = [row.user_id for row in kept]
                found = await self._ctx.recipients.find_subscribed(KIND, ids)
                gone = {row.id: "unsubscribed" for row in kept if row.user_id not in found}
                if not self._run.dry_run:
                    await self._ctx.outbox.skip(gone, self._ctx.now())
                yield [
                    msgspec.structs.replace(self._due(found[row.user_id]), week=week)
                    for row in kept
                    if row.user_id in found
                ]

    def _is_stale(self, created_at: datetime | None) -> bool:
        """Nobody wants Monday's mail on Friday, unless an operator says so."""
        late = timedelta(seconds=self._emails.max_late_s)
        return not self._run.manual and (created_at is None or created_at + late < self._now)

    def _weeks(self) -> list[Week]:
        if self._week is not None:
            return [self._week]
        if self._at is None:
            return [week_bounds.last_closed_week(self._now, self._zone)]
        return sorted(
            {
                week_bounds.last_closed_week(self._now, zone)
                for zone in (_EARLIEST_ZONE, _LATEST_ZONE)
            }
        )

    def _due(self, recipient: Recipient) -> DueEmail:
        zone = week_zone.week_zone(recipient, self._emails, self._zone)
        week = self._week or week_bounds.last_closed_week(self._now, zone)
        return DueEmail(recipient=recipient, week=week, zone=zone)

    async def _zones(self) -> TimezoneFilter | None:
        """The zones in which it is time; None for all."""
        if self._at is None or self._run.manual:
            return None
        known = await asyncio.to_thread(available_timezones)
        late_s = self._emails.max_late_s
        wanted = await asyncio.to_thread(
            delivery_time.zones_due, self._now, known, self._at, late_s
        )
        rest = delivery_time.is_due(self._now, ZoneInfo(self._emails.timezone), self._at, late_s)
        return TimezoneFilter(wanted=wanted, known=known, rest=rest)


def parse_week_option(text: str | None, now: datetime, keep_days: int) -> Week | None:
    """The week that `--week` names, if it does.

    Raises:
        ConfigError: it names none, one that is not over anywhere yet, or one whose mails the
            outbox may have forgotten: it keeps them for so many days.
    """
    if text is None:
        return None
    try:
        week = Week.parse(text)
    except ValueError as error:
        msg = f"--week: {error}"
        raise ConfigError(msg) from None
    if week > week_bounds.last_closed_week(now, _EARLIEST_ZONE):
        msg = f"--week: {week.key} is not over yet"
        raise ConfigError(msg)
    # A day less, so that no row goes while a run goes by it.
    if week.after.start_in(_EARLIEST_ZONE) < now - timedelta(days=keep_days - 1):
        msg = f"--week: {week.key} is too long ago to know who has had its mail (keep_outbox_days)"
        raise ConfigError(msg)
    return week
