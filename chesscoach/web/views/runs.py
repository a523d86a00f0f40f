"""Runs as operators see them: `list_runs` pages through them, `show_run` has one in full.

Errors and reasons are redacted as in the log.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from chesscoach import log
from chesscoach.errors import NotFound
from chesscoach.schedules.schedule import parse_rfc3339
from chesscoach.web.operations.admin import Admin
from chesscoach.web.problems import invalid
from chesscoach.worker.store.run_documents import RunRecord


class AttemptView(Struct, frozen=True, kw_only=True):
    """An earlier attempt at a slot."""

    attempt: int
    outcome: str
    owner: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None


class RunView(Struct, frozen=True, kw_only=True):
    """A run.

    `owner` is the process that has it, `source` how that was started. A record of several slots
    that did not run has the `first` of them and their `count`. `cancel_requested_by` is the
    operator who has asked for its end.
    """

    id: str
    job: str
    schedule: str | None
    slot: datetime | None
    shard: str | None
    outcome: str
    attempt: int
    source: str
    owner: dict[str, Any]
    lease: str
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    lateness_s: float | None
    candidates: int
    done: int
    failed: int
    skipped: int
    notes: dict[str, int | str]
    errors: list[dict[str, str]]
    exit_code: int | None
    reason: str | None
    first: datetime | None
    count: int
    cancel_requested_by: str | None
    earlier: tuple[AttemptView, ...]


class RunPage(Struct, frozen=True, kw_only=True):
    """Runs, the newest first; `next` is the cursor of the page after it, None on the last."""

    runs: list[RunView]
    next: str | None


class RunFilter(Struct, frozen=True, kw_only=True):
    """Which runs are wanted; None is any."""

    job: str | None = None
    schedule: str | None = None
    outcome: str | None = None


async def list_runs(
    admin: Admin, wanted: RunFilter, limit: int = 50, cursor: str | None = None
) -> RunPage:
    """A page of runs, the newest first.

    Raises:
        Problem: the cursor is not one of ours.
    """
    until, skip = _parse_cursor(cursor) if cursor else (None, 0)
    records = await admin.ctx.worker.runs.recent(
        job=wanted.job,
        schedule=wanted.schedule,
        outcome=wanted.outcome,
        limit=limit + 1,
        until=until,
        skip=skip,
    )
    more = len(records) > limit
    records = records[:limit]
    return RunPage(
        runs=[run_view(admin, record) for record in records],
        next=_cursor(records, until, skip) if more else None,
    )


async def show_run(admin: Admin, run_id: str) -> RunView:
    """One run.

    Raises:
        NotFound: there is no such run.
    """
    record = await admin.ctx.worker.runs.find(run_id)
    if record is None:
        msg = f"run {run_id[:120]!r} does not exist"
        raise NotFound(msg)
    return run_view(admin, record)


def run_view(admin: Admin, record: RunRecord) -> RunView:
    """A record as operators see it."""
    fields = msgspec.to_builtins(record, builtin_types=(datetime,), enc_hook=str)
    fields["cancel_requested_by"] = (record.cancel_requested or {}).get("by")
    redacted = log.Redactor(admin.ctx.process.secrets())(None, "", fields)
    return msgspec.convert(dict(redacted), RunView)


def _cursor(records: list[RunRecord], until: datetime | None, skip: int) -> str:
    """The start of the last run of a page, and how many runs of that start have been shown."""
    last = records[-1].started_at
    shown = sum(record.started_at == last for record in records) + (skip if until == last else 0)
    return f"{last.astimezone(UTC).isoformat()}_{shown}".replace("+00:00", "Z")


def _parse_cursor(text: str) -> tuple[datetime, int]:
    at, _, skip = text.partition("_")
    try:
        if not (skip.isascii() and skip.isdigit() and len(skip) < 8):
            raise ValueError(skip)
        return parse_rfc3339(at), int(skip)
    except ValueError:
        raise invalid("cursor", "not a cursor that an earlier page has given") from None
