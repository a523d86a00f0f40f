"""`/routines`, `/sessions`, and the snapshots and recommendations of players."""

from datetime import date, time
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chesscoach.training.sessions.friendly_options import Frequency
from chesscoach.training.sessions.options import UNSET as RESETTABLE
from chesscoach.training.sessions.options import RoutineOptions
from chesscoach.training.sessions.recurrence import FIRST_YEAR, LAST_YEAR
from chesscoach.training.sessions.routine import MAX_COUNT, MAX_MINUTES, MAX_TITLE_LENGTH, Kind
from chesscoach.training.sessions.rule_text import WEEKDAYS
from chesscoach.training.sessions.session import Status
from chesscoach.web.api.endpoint import Call, Endpoint, Reply
from chesscoach.web.operations import training
from chesscoach.web.problems import invalid
from chesscoach.web.views import training as views
from chesscoach.web.views.training import (
    RecommendationList,
    RoutinePage,
    RoutineView,
    SessionView,
    SnapshotList,
)

_Minutes = Annotated[int, Meta(ge=1, le=MAX_MINUTES)]
_Text = Annotated[str, Meta(max_length=500)]
_Weekday = Annotated[str, Meta(pattern=r"^(mo|tu|we|th|fr|sa|su)\Z")]


class RoutineFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a routine; null resets `until`, `skip` and `timezone`.

    Either `recurrence` with `on` or `day_of_month` says when it recurs, or an `rrule` (RFC 5545).
    """

    title: Annotated[str, Meta(min_length=1, max_length=MAX_TITLE_LENGTH)] | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | UnsetType = UNSET
    recurrence: Frequency | UnsetType = UNSET
    on: list[_Weekday] | UnsetType = UNSET
    day_of_month: Annotated[int, Meta(ge=1, le=31)] | UnsetType = UNSET
    from_date: date | UnsetType = field(name="from", default=UNSET)
    until: date | UnsetType | None = UNSET
    skip: list[date] | UnsetType | None = UNSET
    at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d\Z")] | UnsetType = UNSET
    minutes: _Minutes | UnsetType = UNSET
    timezone: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    rrule: _Text | UnsetType = UNSET


class NewRoutine(RoutineFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A routine of a user; it needs title, kind, from, at, minutes, and a recurrence or rrule."""

    user_id: Annotated[str, Meta(min_length=1, max_length=500)]


class RoutineQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose routines are wanted; `cursor` is the `next` of the page before."""

    user_id: _Text | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    cursor: _Text | None = None


class SessionQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sessions are wanted: of a user or a routine."""

    user_id: _Text | None = None
    routine_id: _Text | None = None
    status: Status | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class CompleteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The minutes that it took; by default those that were planned."""

    minutes: Annotated[int, Meta(ge=0, le=MAX_MINUTES)] | None = None


class SnapshotQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many days are wanted, the last ones."""

    days: Annotated[int, Meta(ge=1, le=3660)] = 30


class RecommendationQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether dismissed and retired ones are wanted, too."""

    all: bool = False


class SessionList(Struct, frozen=True, kw_only=True):
    """Sessions in the order of their days: the last ones and the next ones."""

    sessions: list[SessionView]


async def _routines(call: Call) -> RoutinePage:
    query: RoutineQuery = call.query
    return await views.list_routines(call.admin, query.user_id, query.limit, query.cursor)


async def _routine(call: Call) -> RoutineView:
    return await views.show_routine(call.admin, call.path["id"])


async def _add(call: Call) -> RoutineView:
    options, _, timezone = _options(call.body)
    added = await training.add_routine(
        call.admin, call.operator, call.body.user_id, options, timezone
    )
    return views.routine_view(call.admin, added)


async def _edit(call: Call) -> RoutineView:
    options, unset, timezone = _options(call.body)
    changed = await training.edit_routine(
        call.admin, call.operator, call.path["id"], options, unset, timezone, call.revision
    )
    return views.routine_view(call.admin, changed)


async def _remove(call: Call) -> Reply:
    await training.remove_routine(call.admin, call.operator, call.path["id"], call.revision)
    return Reply(status=204)


async def _sessions(call: Call) -> SessionList:
    query: SessionQuery = call.query
    if query.user_id is None and query.routine_id is None:
        raise invalid("user_id", "give this or routine_id: sessions have no other index")
    given: dict[str, Any] = msgspec.structs.asdict(query)
    return SessionList(sessions=await views.list_sessions(call.admin, **given))


async def _session(call: Call) -> SessionView:
    return await views.show_session(call.admin, call.path["id"])


async def _complete(call: Call) -> SessionView:
    return views.session_view(
        await training.complete_session(
            call.admin, call.operator, call.path["id"], call.body.minutes, call.revision
        )
    )


async def _cancel(call: Call) -> SessionView:
    cancelled = await training.cancel_session(
        call.admin, call.operator, call.path["id"], call.revision
    )
    return views.session_view(cancelled)


async def _snapshots(call: Call) -> SnapshotList:
    return await views.list_snapshots(call.admin, call.path["user_id"], call.query.days)


async def _recommendations(call: Call) -> RecommendationList:
    user_id, active_only = call.path["user_id"], not call.query.all
    return await views.list_recommendations(call.admin, user_id, active_only=active_only)


def _options(body: RoutineFields) -> tuple[RoutineOptions, list[Any], str | None]:
    """The options that are given, the ones to reset, and the time zone."""
    given = {
        name: value
        for name in RoutineFields.__struct_fields__
        if (value := getattr(body, name)) is not UNSET
    }
    unset = [name for name in RESETTABLE if name in given and given[name] is None]
    timezone = given.pop("timezone", None)
    for name in ("from_date", "until", "skip"):
        days = given.get(name) or ()
        for day in days if isinstance(days, list) else [days] if days else []:
            if not FIRST_YEAR <= day.year <= LAST_YEAR:
                label = name.removesuffix("_date")
                raise invalid(label, f"not from {FIRST_YEAR} to {LAST_YEAR}")
    if "on" in given:
        given["on"] = tuple(sorted({WEEKDAYS.index(name.upper()) for name in given["on"]}))
    if "at" in given:
        given["at"] = time.fromisoformat(given["at"])
    if given.get("skip") is not None:
        given["skip"] = tuple(given["skip"])
    return RoutineOptions(**given), unset, timezone


_ROUTINE, _SESSION, _PLAYER = "/routines/{id}", "/sessions/{id}", "/players/{user_id:.+}"

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/routines",
        handler=_routines,
        summary="Routines of all users or of one, in pages",
        query=RoutineQuery,
        response=RoutinePage,
    ),
    Endpoint(
        method="POST",
        path="/routines",
        handler=_add,
        summary="Add a routine of a user, and make its sessions of the next days",
        body=NewRoutine,
        response=RoutineView,
        status=201,
        also=(404,),
    ),
    Endpoint(
        method="GET",
        path=_ROUTINE,
        handler=_routine,
        summary="One routine",
        response=RoutineView,
    ),
    Endpoint(
        method="PATCH",
        path=_ROUTINE,
        handler=_edit,
        summary="Change a routine and its coming sessions that are still scheduled",
        body=RoutineFields,
        response=RoutineView,
        names_revision=True,
    ),
    Endpoint(
        method="DELETE",
        path=_ROUTINE,
        handler=_remove,
        summary="Delete a routine and its coming sessions; past ones stay",
        status=204,
        names_revision=True,
    ),
    Endpoint(
        method="GET",
        path="/sessions",
        handler=_sessions,
        summary="Sessions of a user or a routine, the last ones and the next ones",
        query=SessionQuery,
        response=SessionList,
    ),
    Endpoint(
        method="GET",
        path=_SESSION,
        handler=_session,
        summary="One session",
        response=SessionView,
    ),
    Endpoint(
        method="POST",
        path=f"{_SESSION}/complete",
        handler=_complete,
        summary="Complete a session; a missed one only until its week has closed",
        body=CompleteRequest,
        body_optional=True,
        response=SessionView,
        names_revision=True,
        revision_optional=True,
        also=(409,),
    ),
    Endpoint(
        method="POST",
        path=f"{_SESSION}/cancel",
        handler=_cancel,
        summary="Cancel a session that is scheduled; it is not made again",
        response=SessionView,
        names_revision=True,
        revision_optional=True,
        also=(409,),
    ),
    Endpoint(
        method="GET",
        path=f"{_PLAYER}/snapshots",
        handler=_snapshots,
        summary="A player's daily snapshots, the last days",
        query=SnapshotQuery,
        response=SnapshotList,
    ),
    Endpoint(
        method="GET",
        path=f"{_PLAYER}/recommendations",
        handler=_recommendations,
        summary="What is recommended to a player",
        query=RecommendationQuery,
        response=RecommendationList,
    ),
)
