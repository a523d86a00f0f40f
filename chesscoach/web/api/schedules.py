"""`/schedules`: list, create, edit, pause, resume, delete, run now, next slots, explain.

The fields of a schedule are those of the configuration: one trigger (`cron` with `timezone`;
`every`, which is also called `interval`; `at`, which is also called `date`), `args`,
`max_instances`, `coalesce`, `misfire_grace_s` and so on.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import fields

from chesscoach.schedules.schedule import Every, Identifier, Instant, Schedule, parse_rfc3339
from chesscoach.web.api.endpoint import Call, Endpoint, Reply
from chesscoach.web.operations import schedules
from chesscoach.web.operations.schedule_fields import names_as_given, parse_schedule
from chesscoach.web.problems import invalid
from chesscoach.web.views import explanations
from chesscoach.web.views import schedules as views
from chesscoach.web.views.schedules import ScheduleDetail, ScheduleSummary, SlotView
from chesscoach.worker.scheduler import schedule_admin

_FIELDS: list[tuple[str, Any, Any]] = [
    *((field.name, field.type | None | UnsetType, UNSET) for field in fields(Schedule)),
    ("interval", Every | None | UnsetType, UNSET),
    ("date", Instant | None | UnsetType, UNSET),
]
_NEW_FIELDS: list[Any] = [("id", Identifier), ("replace_existing", bool, False)]
_STRICT: dict[str, Any] = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True}

ScheduleFields = msgspec.defstruct("ScheduleFields", _FIELDS, module=__name__, **_STRICT)
"""The fields of a schedule, each of which may be left out; null is its default."""

NewSchedule = msgspec.defstruct("NewSchedule", [*_NEW_FIELDS, *_FIELDS], module=__name__, **_STRICT)
"""A schedule to create; with `replace_existing`, one of that id is edited instead."""


class PauseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a schedule is paused; it is shown wherever the schedule is."""

    reason: Annotated[str, Meta(max_length=schedules.MAX_REASON_LENGTH)] = ""


class SlotQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many slots are wanted."""

    count: Annotated[int, Meta(ge=1, le=1000)] = 10


class ScheduleList(Struct, frozen=True, kw_only=True):
    """All schedules, by id."""

    schedules: list[ScheduleSummary]


class SlotList(Struct, frozen=True, kw_only=True):
    """The next slots of a schedule, in order."""

    slots: list[SlotView]


class StartedRun(Struct, frozen=True, kw_only=True):
    """The id of a run that has started."""

    run_id: str


async def _list(call: Call) -> ScheduleList:
    return ScheduleList(schedules=await views.list_schedules(call.admin))


async def _show(call: Call) -> ScheduleDetail:
    return await views.show_schedule(call.admin, call.path["id"])


async def _create(call: Call) -> Reply:
    given = _given(call.body, "id", "replace_existing")
    with names_as_given(given):
        _, new = await schedules.create(
            call.admin,
            call.operator,
            call.body.id,
            parse_schedule(given),
            replace_existing=call.body.replace_existing,
            revision=call.revision,
        )
    return Reply(
        value=await views.show_schedule(call.admin, call.body.id), status=201 if new else 200
    )


async def _replace(call: Call) -> ScheduleDetail:
    return await _edit_to(call, parse_schedule(_given(call.body)))


async def _edit(call: Call) -> ScheduleDetail:
    stored = await schedule_admin.find_schedule(call.admin.ctx.worker, call.path["id"])
    base = None if stored.unreadable else stored.schedule
    return await _edit_to(call, parse_schedule(_given(call.body), base))


async def _edit_to(call: Call, schedule: Schedule) -> ScheduleDetail:
    with names_as_given(_given(call.body)):
        changed = await schedules.edit(
            call.admin, call.operator, call.path["id"], schedule, call.revision
        )
    return await views.detail_of(call.admin, changed)


async def _delete(call: Call) -> Reply:
    await schedules.delete(call.admin, call.operator, call.path["id"], call.revision)
    return Reply(status=204)


async def _pause(call: Call) -> ScheduleDetail:
    changed = await schedules.pause(
        call.admin, call.operator, call.path["id"], call.revision, call.body.reason
    )
    return await views.detail_of(call.admin, changed)


async def _resume(call: Call) -> ScheduleDetail:
    changed = await schedules.resume(call.admin, call.operator, call.path["id"], call.revision)
    return await views.detail_of(call.admin, changed)


async def _run(call: Call) -> StartedRun:
    return StartedRun(run_id=await schedules.run_now(call.admin, call.operator, call.path["id"]))


async def _slots(call: Call) -> SlotList:
    return SlotList(slots=await views.next_slots(call.admin, call.path["id"], call.query.count))


async def _explain(call: Call) -> explanations.SlotExplanation:
    return await explanations.explain(call.admin, call.path["id"], _instant(call.path["slot"]))


def _instant(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise invalid("slot", "expected an instant such as 2026-11-21T06:00:00Z") from None


def _given(body: Any, *without: str) -> dict[str, Any]:
    names = (field.name for field in fields(body) if field.name not in without)
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}


_ID = "/schedules/{id}"

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/schedules",
        handler=_list,
        summary="All schedules, with their state, last and next slot",
        response=ScheduleList,
    ),
    Endpoint(
        method="POST",
        path="/schedules",
        handler=_create,
        summary="Create a schedule, or with replace_existing edit one of that id",
        body=NewSchedule,
        response=ScheduleDetail,
        status=201,
        names_revision=True,
        revision_optional=True,
        also=(200, 409),
    ),
    Endpoint(
        method="GET",
        path=_ID,
        handler=_show,
        summary="One schedule with its fields and history; its ETag is its revision",
        response=ScheduleDetail,
    ),
    Endpoint(
        method="PUT",
        path=_ID,
        handler=_replace,
        summary="Replace all fields of a schedule",
        body=ScheduleFields,
        response=ScheduleDetail,
        names_revision=True,
    ),
    Endpoint(
        method="PATCH",
        path=_ID,
        handler=_edit,
        summary="Change some fields of a schedule; a new trigger replaces the old one",
        body=ScheduleFields,
        response=ScheduleDetail,
        names_revision=True,
    ),
    Endpoint(
        method="DELETE",
        path=_ID,
        handler=_delete,
        summary="Delete a schedule that is not in the configuration",
        status=204,
        names_revision=True,
        also=(409,),
    ),
    Endpoint(
        method="POST",
        path=f"{_ID}/pause",
        handler=_pause,
        summary="Run no further slots; a run in progress continues",
        body=PauseRequest,
        body_optional=True,
        response=ScheduleDetail,
        names_revision=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_ID}/resume",
        handler=_resume,
        summary="Run slots again, from now on",
        response=ScheduleDetail,
        names_revision=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_ID}/run",
        handler=_run,
        summary="Start a manual run with the schedule's arguments; 409 names a run in its way",
        response=StartedRun,
        status=202,
        also=(409,),
    ),
    Endpoint(
        method="GET",
        path=f"{_ID}/slots",
        handler=_slots,
        summary="The next slots, in UTC and in the schedule's zone",
        query=SlotQuery,
        response=SlotList,
    ),
    Endpoint(
        method="GET",
        path=f"{_ID}/slots/{{slot}}/explain",
        handler=_explain,
        summary="Why a slot ran, or did not",
        response=explanations.SlotExplanation,
        also=(422,),
    ),
)
