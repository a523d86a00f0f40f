"""Slot arithmetic: the instants at which a schedule is due.

cronsim is only ever iterated forward: its reverse iteration disagrees with itself where a zone
shifts by half an hour. Around the end of daylight saving it can also name an instant that has
passed already, so results that do not move on in UTC are dropped here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from chesscoach.models import Schedule, Slot

_SPANS = tuple(timedelta(days=d) for d in (1 / 24, 1, 32, 366, 5 * 366, 29 * 366))
"""How far back to look for the latest slot; 29 years hold every date, a 29 February on a given
weekday too."""


def after(schedule_id: str, schedule: Schedule, instant: datetime) -> Iterator[Slot]:
    """The slots later than an instant, strictly increasing; ends when the expression does."""
    last = instant
    for local in CronSim(schedule.cron, instant.astimezone(ZoneInfo(schedule.timezone))):
        at = local.astimezone(UTC)
        if at > last:
            last = at
            yield Slot(schedule=schedule_id, at=at)


def latest(schedule_id: str, schedule: Schedule, instant: datetime) -> Slot | None:
    """The newest slot at or before an instant; None when there is none in 29 years."""
    for span in _SPANS:
        found = None
        for slot in after(schedule_id, schedule, instant - span):
            if slot.at > instant:
                break
            found = slot
        if found is not None:
            return found
    return None


def is_slot(schedule_id: str, schedule: Schedule, instant: datetime) -> bool:
    """Whether the schedule is due at exactly this instant."""
    first = next(after(schedule_id, schedule, instant - timedelta(seconds=1)), None)
    return first is not None and first.at == instant
