"""`/runs` and `/jobs`: what ran, what runs, and what can run."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.outcome import Outcome
from chesscoach.web.api.endpoint import Call, Endpoint
from chesscoach.web.operations import runs
from chesscoach.web.views import runs as views
from chesscoach.web.views.runs import RunFilter, RunPage, RunView

_Name = Annotated[str, Meta(max_length=200)]


class RunQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs are wanted; `cursor` is the `next` of the page before."""

    job: _Name | None = None
    schedule: _Name | None = None
    outcome: Outcome | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    cursor: Annotated[str, Meta(max_length=1000)] | None = None


class JobView(Struct, frozen=True, kw_only=True):
    """A job, and the JSON schema of its arguments."""

    name: str
    help: str
    writes: tuple[str, ...]
    walks_users: bool
    args: dict[str, Any]


class JobList(Struct, frozen=True, kw_only=True):
    """The jobs."""

    jobs: list[JobView]


async def _list(call: Call) -> RunPage:
    query: RunQuery = call.query
    wanted = RunFilter(job=query.job, schedule=query.schedule, outcome=query.outcome)
    return await views.list_runs(call.admin, wanted, query.limit, query.cursor)


async def _show(call: Call) -> RunView:
    return await views.show_run(call.admin, call.path["id"])


async def _cancel(call: Call) -> RunView:
    await runs.cancel(call.admin, call.operator, call.path["id"])
    return await views.show_run(call.admin, call.path["id"])


async def _jobs(_: Call) -> JobList:
    return JobList(jobs=list_jobs())


def list_jobs() -> list[JobView]:
    """The jobs that schedules can name."""
    return [
        JobView(
            name=job.name,
            help=job.help,
            writes=job.writes,
            walks_users=job.walks_users,
            args=msgspec.json.schema(job.args),
        )
        for job in JOBS.values()
    ]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/runs",
        handler=_list,
        summary="Runs, the newest first, in pages",
        query=RunQuery,
        response=RunPage,
    ),
    Endpoint(
        method="POST",
        path="/runs/{id:.+}/cancel",
        handler=_cancel,
        summary="Ask the process that has a run to end it; its slot does not run again",
        response=RunView,
        status=202,
        also=(409,),
    ),
    Endpoint(
        method="GET",
        path="/runs/{id:.+(?<!/cancel)}",
        handler=_show,
        summary="One run in full",
        response=RunView,
    ),
    Endpoint(
        method="GET",
        path="/jobs",
        handler=_jobs,
        summary="The jobs, with the JSON schemas of their arguments",
        response=JobList,
    ),
)
