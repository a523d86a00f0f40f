"""The audience of a campaign: pages of recipients, each with the week of their email."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from chesscoach.emails.context import EmailContext
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.sending import delivery_time, week_zone
from chesscoach.emails.sending.due_email import KIND, DueEmail
from chesscoach.emails.store.recipients import PAGE_SIZE, TimezoneFilter
from chesscoach.errors import ConfigError
from chesscoach.players.zone_names import known_zones
from chesscoach.schedules import week_bounds
from chesscoach.schedules.iso_week import Week
from chesscoach.worker.job import Run

_EARLIEST_ZONE, _LATEST_ZONE = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")
"""Every zone's last closed week is between those of these two."""


class Audience:
    """The recipients of a run.

    With a time of day in `[emails] deliver_at`, each player's week is in their own zone; otherwise
    all share the schedule's zone. A manual run includes every subscriber, however late it is.
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
        """Yield pages of subscribers; count and skip those without an address."""
        zones = await self._zones()
        if zones is not None and not (zones.wanted or zones.rest):
            return
        if self._user_id is None and self._run.shard.index == 0 and (zones is None or zones.rest):
            await self._count_without_id()
        async for page in self._ctx.recipients.subscribers(
            KIND, self._user_id, zones, self._run.shard
        ):
            if self._run.stopping:
                self._run.incomplete = True
                return
            reachable = [recipient for recipient in page if recipient.email]
            if missing := len(page) - len(reachable):
                self._run.counts.candidates += missing
                self._run.counts.skipped += missing
                self._run.counts.note("skipped_no_address", missing)
            yield [self._due(recipient) for recipient in reachable]

    async def _count_without_id(self) -> None:
        """Users whose user_id is not a text are counted and left out."""
        if count := await self._ctx.recipients.count_without_id(KIND):
            self._run.counts.candidates += count
            self._run.counts.skipped += count
            self._run.counts.note("invalid_user_ids", count)

    async def unsent(self) -> AsyncIterator[Sequence[DueEmail]]:
        """Yield pages of recipients with an open outbox entry of the last closed week."""
        for week in self._weeks():
            after = ""
            while entries := await self._ctx.outbox.find_open(week, after, PAGE_SIZE):
                after = max(entries)
                kept = [
                    entry
                    for entry in entries.values()
                    if self._run.shard.contains(entry.user_id)
                    and not self._is_stale(entry.created_at)
                ]
                subscribed = await self._ctx.recipients.find_subscribed(
                    KIND, [entry.user_id for entry in kept]
                )
                gone = [entry.id for entry in kept if entry.user_id not in subscribed]
                if not self._run.dry_run:
                    await self._ctx.outbox.skip(
                        dict.fromkeys(gone, "unsubscribed"), self._ctx.now()
                    )
                yield [
                    msgspec.structs.replace(self._due(subscribed[entry.user_id]), week=week)
                    for entry in kept
                    if entry.user_id in subscribed
                ]

    def _is_stale(self, created_at: datetime | None) -> bool:
        """Whether an email is too late to be useful; never in a manual run."""
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
        """The zones in which the email is due now; None for all."""
        if self._at is None or self._run.manual:
            return None
        known = await asyncio.to_thread(known_zones)
        late_s = self._emails.max_late_s
        wanted = await asyncio.to_thread(
            delivery_time.zones_due, self._now, known, self._at, late_s
        )
        rest = delivery_time.is_due(self._now, ZoneInfo(self._emails.timezone), self._at, late_s)
        return TimezoneFilter(wanted=wanted, known=known, rest=rest)


def parse_week_option(text: str | None, now: datetime, keep_days: int) -> Week | None:
    """Parse the value of `--week`, if given.

    Raises:
        ConfigError: it is not a week, the week is not over in any zone, or its outbox entries may
            have been deleted (they are kept for `keep_days`).
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
    # One day less, so that no entry is deleted during a run.
    if week.after.start_in(_EARLIEST_ZONE) < now - timedelta(days=keep_days - 1):
        msg = f"--week: {week.key} is too long ago to know who got its email (keep_outbox_days)"
        raise ConfigError(msg)
    return week
