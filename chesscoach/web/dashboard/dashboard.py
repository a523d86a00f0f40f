"""The dashboard's part of the route table, and what lives as long as the listener."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from chesscoach.web.dashboard.attention import read_overview_with_matters
from chesscoach.web.dashboard.cached_page import CachedPage
from chesscoach.web.dashboard.email_pages import EmailPages
from chesscoach.web.dashboard.events import Events
from chesscoach.web.dashboard.page import Layout
from chesscoach.web.dashboard.player_pages import PlayerPages
from chesscoach.web.dashboard.run_pages import RunPages
from chesscoach.web.dashboard.schedule_actions import ScheduleActions
from chesscoach.web.dashboard.schedule_pages import SchedulePages
from chesscoach.web.dashboard.slot_status import SlotStatusCache
from chesscoach.web.dashboard.source_page import read_sources
from chesscoach.web.operations.admin import Admin
from chesscoach.web.routes import Route
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.run_history import RunHistory

_SCHEDULES_HERE = "This process runs the scheduler."
_SERVES_ONLY = "This process only serves pages: a daemon or CronJobs run the schedules."


@asynccontextmanager
async def open_dashboard(
    admin: Admin, stop: ShutdownRequest, *, schedules_here: bool, deadline_s: float
) -> AsyncIterator[list[Route]]:
    """Yields the routes of the pages.

    Args:
        admin: what the web room needs.
        stop: the request to stop, which ends the streams.
        schedules_here: whether this process has a scheduler.
        deadline_s: how long a request may take.
    """
    ctx, history = admin.ctx, RunHistory(admin.ctx.mongo.database)
    layout = Layout(admin)
    overview = CachedPage(
        admin,
        layout,
        "/",
        "overview",
        partial(read_overview_with_matters, admin, history, SlotStatusCache()),
        {"scheduler": _SCHEDULES_HERE if schedules_here else _SERVES_ONLY},
        deadline_s,
    )
    sources = CachedPage(
        admin, layout, "/sources", "sources", partial(read_sources, ctx), {}, deadline_s
    )
    schedules = SchedulePages(admin, layout, overview.cache)
    rooms = (
        schedules,
        ScheduleActions(admin, layout, overview.cache, schedules),
        RunPages(admin, layout),
        EmailPages(admin, layout),
        PlayerPages(admin, layout),
    )

    async def state() -> object:
        return await history.state(), await ctx.worker.schedules.changes()

    async def refresh() -> None:
        sources.cache.expire()
        overview.cache.expire()
        await overview.cache.get()

    events = Events(stop, state, refresh)
    try:
        yield [
            Route(method="GET", path="/static/{name}", scope="public", handler=layout.serve_asset),
            Route(method="GET", path="/events", scope="read", handler=events.serve, streams=True),
            # They read apart from their requests, which need no deadline and no turn.
            Route(method="GET", path="/", scope="read", handler=overview.show, streams=True),
            Route(method="GET", path="/sources", scope="read", handler=sources.show, streams=True),
            *(route for room in rooms for route in room.routes()),
        ]
    finally:
        await events.close()
        await overview.cache.close()
        await sources.cache.close()
