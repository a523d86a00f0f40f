"""A session: one day's occurrence of a routine, and what became of it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct, field

from chesscoach.training.sessions.routine import Kind, Routine

Status = Literal["scheduled", "completed", "missed", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Session(Struct, frozen=True, kw_only=True):
    """A session as its routine has it: one day's occurrence."""

    routine: Routine
    day: date
    starts_at: datetime

    @property
    def id(self) -> str:
        """The key: the routine and the local date."""
        return f"{self.routine.id}|{self.day.isoformat()}"


class StoredSession(Struct, frozen=True, kw_only=True):
    """A session as it is stored. One without a kind is completed manually."""

    id: str = field(name="_id")
    routine_id: str = ""
    user_id: str
    local_date: date
    starts_at: datetime
    duration_min: Annotated[int, Meta(ge=0)]
    status: Status
    timezone: Any = None
    title: str = ""
    kind: Kind = "manual"
    count: Annotated[int, Meta(ge=1)] = 1
    completed_at: datetime | None = None
    actual_min: int | float | None = None
    revision: Annotated[int, Meta(ge=0)] = 1
    created_at: Any = None

    def exists_since(self, instant: datetime) -> bool:
        """Whether the session was made at an instant or later."""
        return isinstance(self.created_at, datetime) and self.created_at >= instant


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a session; `completed_at` if it is completed."""

    session_id: str
    before: Status
    status: Status
    completed_at: datetime | None = None
    settled: bool = False
