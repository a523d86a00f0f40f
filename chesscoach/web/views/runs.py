"""Runs as operators see them: `list_runs` pages through them, `show_run` has one in full.

Errors and reasons are redacted as in the log.
"""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, fields

from chesscoach import log
from chesscoach.errors import NotFound
from chesscoach.schedules.schedule import parse_rfc3339
from chesscoach.web.operations.admin import Admin
from chesscoach.web.problems import invalid
from chesscoach.worker.store.run_documents import PreviousAttempt, RunRecord


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
    earlier: tuple[PreviousAttempt, ...]


class RunPage(Struct, frozen=True, kw_only=True):
    """Runs, the newest first; `next` is the cursor of the page after it, None on the last."""

    runs: list[RunView]
    next: str | None


class RunFilter(Struct, frozen=True, kw_only=True):
    """Which runs are wanted; None is any."""

    job: str | None = None
    schedule: str | None = None
    outcome: str | None = None


_REDACTED = ("errors", "notes", "owner", "reason")


async def list_runs(
    admin: Admin, wanted: RunFilter, limit: int = 50, cursor: str | None = None
) -> RunPage:
    """A page of runs, the newest first.

    Raises:
        Problem: the cursor is not one of ours.
    """
    until, skip = _parse_cursor(cursor) if cursor else (None, 0)
    page = await admin.ctx.worker.runs.list.page(asdict(wanted), limit, until, skip)
    return RunPage(
        runs=[run_view(admin, record) for record in page.records],
        next=_cursor(page.records, until, skip) if page.more and page.records else None,
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
    names = {field.name for field in fields(RunView)} & set(record.__struct_fields__)
    values = {name: getattr(record, name) for name in names}
    redact = log.Redactor(admin.ctx.process.secrets())
    values |= redact(None, "", {name: values[name] for name in _REDACTED})
    request = record.cancel_requested or {}
    by = request.get("by")
    return RunView(**values, cancel_requested_by=str(by) if by is not None else None)


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
