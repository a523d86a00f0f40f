"""Why a slot ran, or did not: the sentences of `chesscoach schedules explain`."""

from datetime import datetime

from msgspec import Struct

from chesscoach.errors import ConfigError, NotFound
from chesscoach.web.operations.admin import Admin
from chesscoach.web.views.runs import RunView, run_view
from chesscoach.worker.scheduler import explanation


class SlotExplanation(Struct, frozen=True, kw_only=True):
    """A verdict in a word, sentences for people, and the record that they rest on.

    `before` and `after` are the neighbours of an instant that is not a slot. `holders` have the
    leases that the slot waits for. A failed slot runs again at `again_at`.
    """

    schedule: str
    slot: datetime
    verdict: str
    sentences: tuple[str, ...]
    record: RunView | None
    before: datetime | None
    after: datetime | None
    again_at: datetime | None
    attempts_left: int | None
    holders: tuple[str, ...]


async def explain(admin: Admin, schedule_id: str, at: datetime) -> SlotExplanation:
    """Explains a slot.

    Raises:
        NotFound: the schedule does not exist, and the slot has no record.
    """
    try:
        found = await explanation.explain_slot(admin.ctx.worker, schedule_id, at)
    except ConfigError as error:
        raise NotFound(str(error)) from None
    return SlotExplanation(
        schedule=schedule_id,
        slot=found.slot.at,
        verdict=found.verdict,
        sentences=tuple(map(admin.scrub, found.sentences)),
        record=run_view(admin, found.record) if found.record is not None else None,
        before=found.before,
        after=found.after,
        again_at=found.again_at,
        attempts_left=found.attempts_left,
        holders=found.holders,
    )
