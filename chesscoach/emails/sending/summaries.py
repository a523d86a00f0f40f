"""Reads the summaries of due emails, a batch at a time.

If the data of one player fail the whole batch, the batch is read in halves, so that only that
player's email fails.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import week_zone
from chesscoach.emails.sending.due_email import DueEmail, count_failure
from chesscoach.emails.weekly import summary
from chesscoach.emails.weekly.values import PlayerWeek, Summary, WeekExtras
from chesscoach.errors import StoreFailed
from chesscoach.schedules.iso_week import Week
from chesscoach.worker.job import Run

ExtrasReader: TypeAlias = Callable[[Week, Sequence[str]], Awaitable[Mapping[str, WeekExtras]]]
"""Returns what other slices add to the week of some users, by user; some may be left out."""

_NO_USER_ID = ""
"""No user has this id: reading its week fails only if every read fails."""


class SummaryReader:
    """Reads the summaries of one run."""

    def __init__(self, ctx: EmailContext, run: Run, extras: ExtrasReader) -> None:
        self._ctx = ctx
        self._run = run
        self._extras = extras

    async def read(self, emails: Sequence[DueEmail]) -> dict[str, Summary]:
        """Read the summaries of some emails, by outbox id: one read for each zone and week.

        An email whose data cannot be read is left out and counted as failed.
        """
        groups: dict[tuple[Week, str], list[DueEmail]] = defaultdict(list)
        for due in emails:
            groups[due.week, due.zone.key].append(due)
        local = await asyncio.to_thread(self._local_times, emails)
        summaries = {}
        for (week, _), group in groups.items():
            weeks = await self._read_weeks(group, week, group[0].zone)
            extras = await self._extras(week, [player.user_id for player in weeks.values()])
            for due in group:
                if due.outbox_id in weeks:
                    player_week = weeks[due.outbox_id]
                    own = extras.get(player_week.user_id, WeekExtras())
                    player_week = replace(player_week, extras=own)
                    summaries[due.outbox_id] = summary.summarise(player_week, local[due.outbox_id])
        return summaries

    async def _read_weeks(
        self, group: Sequence[DueEmail], week: Week, zone: ZoneInfo
    ) -> dict[str, PlayerWeek]:
        read = self._ctx.player_weeks.read
        try:
            weeks = await read([due.recipient.user_id for due in group], week, zone)
            return {due.outbox_id: weeks[due.recipient.user_id] for due in group}
        except StoreFailed as error:
            await read([_NO_USER_ID], week, zone)
            if len(group) == 1:
                count_failure(self._run, group[0], error)
                return {}
        middle = len(group) // 2
        first = await self._read_weeks(group[:middle], week, zone)
        return first | await self._read_weeks(group[middle:], week, zone)

    def _local_times(self, emails: Sequence[DueEmail]) -> dict[str, datetime]:
        """The time where each player is, by outbox id; blocks."""
        now, settings = self._ctx.now(), self._ctx.settings
        return {due.outbox_id: week_zone.local_now(due.recipient, settings, now) for due in emails}
