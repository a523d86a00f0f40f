"""`[cleanup]`: how long documents are kept, and how fast they are deleted."""

from typing import Annotated

from msgspec import Meta

from chesscoach.config.section import PositiveInt, Section

Days = Annotated[int, Meta(ge=1, le=3660)]


class CleanupSettings(Section, frozen=True, kw_only=True):
    """`[cleanup]`."""

    read_notifications_days: Days = 30
    queue_hours: Annotated[int, Meta(ge=1, le=8784)] = 24
    requeue_stale: bool = False
    keep_outbox_days: Annotated[int, Meta(ge=30, le=3660)] = 400
    keep_schedules_days: Days = 90
    keep_snapshots_days: Annotated[int, Meta(ge=30, le=3660)] = 730
    batch: Annotated[int, Meta(ge=10, le=1000)] = 500
    pause_s: Annotated[float, Meta(ge=0, le=60)] = 0.05
    max_deletes_per_run: PositiveInt = 1_000_000
