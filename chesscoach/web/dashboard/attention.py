"""What needs an operator: closed sources, emails of unknown arrival, late and failing schedules.

The sources come first: one that is closed makes schedules fail. Each comes with what is known of
the reason, such as the first player for whom a run failed.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from chesscoach.emails.store.outbox_overview import OutboxOverview
from chesscoach.schedules.iso_week import Week
from chesscoach.sources.source import SOURCES
from chesscoach.web.dashboard import text
from chesscoach.web.dashboard.overview import Matter, Overview, ScheduleRow, read_overview
from chesscoach.web.dashboard.slot_status import SlotStatusCache
from chesscoach.web.operations.admin import Admin
from chesscoach.worker.store.run_history import RunHistory, RunSummary

_WORDS = ("late", "failing", "quarantined")
_MAX_SCHEDULES = 8
_WEEKS = timedelta(weeks=8)
_MAX_UNKNOWN = 100


async def read_overview_with_matters(
    admin: Admin, history: RunHistory, cache: SlotStatusCache
) -> Overview:
    """Reads the overview, and what of it needs an operator."""
    overview = await read_overview(admin.ctx.worker, history, cache)
    troubled = sorted(
        (row for row in overview.rows if row.health.word in _WORDS),
        key=lambda row: _WORDS.index(row.health.word),
    )
    shown = troubled[:_MAX_SCHEDULES]
    errors = await history.first_errors([row.last.id for row in shown if row.last])
    matters = [
        *[matter async for matter in _sources(admin)],
        *await _emails(admin, overview.at),
        *_schedules(admin, shown, errors, overview.at),
    ]
    return replace(overview, matters=tuple(matters), matters_left_out=len(troubled) - len(shown))


def _schedules(
    admin: Admin,
    rows: Iterable[ScheduleRow],
    errors: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> Iterator[Matter]:
    for row in rows:
        late, last = row.slot_status.late_since, row.last
        reason = row.stored.quarantined or ""
        if late is not None:
            reason = f"due since {text.utc(late)}, {text.span(now - late)} ago"
        elif row.health.word == "failing" and last is not None:
            reason = _failure(last, errors.get(last.id, {}))
        yield Matter(
            path=f"/schedules/{text.path_segment(row.stored.id)}",
            name=row.stored.id,
            word=row.health.word,
            reason=admin.scrub(reason),
        )


def _failure(run: RunSummary, error: Mapping[str, str]) -> str:
    """How many a run failed for, and its first error."""
    parts = [text.words(run.outcome) if run.outcome != "failed" else "", run.reason or ""]
    parts.append(f"{run.failed:,} of {run.candidates:,} failed" if run.failed else "")
    about = [value for name, value in error.items() if name != "error"]
    parts.append(": ".join(filter(None, [*about, error.get("error", "")])))
    return "; ".join(filter(None, parts))


async def _sources(admin: Admin) -> AsyncIterator[Matter]:
    for platform, source in SOURCES.items():
        lane = await admin.ctx.sync.lanes[platform].status()
        if lane.closed_until is not None:
            until = text.utc(lane.closed_until)
            yield Matter(
                path="/sources",
                name=source.name,
                word="breaker open",
                reason=f"no request is sent before {until}",
            )


async def _emails(admin: Admin, now: datetime) -> list[Matter]:
    outbox = OutboxOverview(admin.ctx.mongo.database)
    since = Week.containing((now - _WEEKS).date())
    count = len(await outbox.page(since, 0, _MAX_UNKNOWN, state="unknown", week=None))
    if not count:
        return []
    several = f"{count}{'' if count < _MAX_UNKNOWN else ' or more'} emails"
    return [
        Matter(
            path="/emails?state=unknown",
            name="1 email" if count == 1 else several,
            word="unknown",
            reason="may or may not have arrived",
        )
    ]
