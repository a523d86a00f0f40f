"""The two listeners: `admin` for operators, `public` for everyone else.

They open before the scheduler and close after it, so that they answer while it drains.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from chesscoach.config import LISTENERS, Listener, WebSettings
from chesscoach.context import Context
from chesscoach.web.admin_middleware import DEADLINE_S, AdminMiddleware
from chesscoach.web.admin_routes import admin_routes
from chesscoach.web.auth import Access
from chesscoach.web.dashboard.dashboard import open_dashboard
from chesscoach.web.health import Health
from chesscoach.web.loop_lag import LoopLagMonitor
from chesscoach.web.metrics_endpoint import MetricsEndpoint
from chesscoach.web.operations.admin import Admin
from chesscoach.web.pages import load_templates
from chesscoach.web.public_routes import public_routes
from chesscoach.web.routes import plain_routes
from chesscoach.web.server import start_listener
from chesscoach.worker.runner.manual_runs import ManualRuns
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.shutdown import ShutdownRequest


@asynccontextmanager
async def open_web(
    ctx: Context,
    stop: ShutdownRequest,
    ticker: Ticker | None = None,
    *,
    deadline_s: float = DEADLINE_S,
) -> AsyncIterator[Mapping[Listener, str]]:
    """Listens on the addresses of `[web]` while the context is open; yields the URLs.

    Args:
        ctx: the context whose metrics are served.
        stop: the request to stop, after which the process is not ready any more.
        ticker: the scheduler's ticker, if this process has a scheduler.
        deadline_s: how long a request of an operator may take.

    Raises:
        ListenError: an address cannot be used; the message names the setting.
        ConfigError: SendGrid's verification key or a message catalog cannot be used.
    """
    settings = ctx.config.web
    await asyncio.to_thread(load_templates)
    async with AsyncExitStack() as stack:
        manual_runs = await stack.enter_async_context(ManualRuns(ctx.worker, stop))
        admin = Admin(ctx=ctx, manual_runs=manual_runs, base_path=settings.base_path)
        probe = await stack.enter_async_context(ctx.mongo.open_probe())
        health = Health(probe, stop, ticker, stack.enter_context(LoopLagMonitor(ctx.metrics)))
        probes = plain_routes([*health.routes(), *MetricsEndpoint(ctx, probe, ticker).routes()])
        access = Access(settings)
        table = [*probes]
        if _has_pages(settings):
            pages = open_dashboard(
                admin, stop, schedules_here=ticker is not None, deadline_s=deadline_s
            )
            table += [*admin_routes(admin, access), *await stack.enter_async_context(pages)]
        checks = AdminMiddleware(settings, access, table, deadline_s)
        routes = {
            "admin": checks.route_defs(),
            "public": [*health.routes(), *await public_routes(ctx)],
        }
        middlewares = {"admin": [checks.middleware], "public": []}
        urls: dict[Listener, str] = {}
        for listener in LISTENERS:
            if (address := settings.address(listener)) is not None:
                server = start_listener(
                    listener, address, routes[listener], ctx.metrics, middlewares[listener]
                )
                urls[listener] = await stack.enter_async_context(server)
        yield urls


def _has_pages(settings: WebSettings) -> bool:
    """Whether the admin listener has more than probes: elsewhere than on loopback by a token."""
    address = settings.address("admin")
    return bool(settings.admin_token) or (address is not None and address.is_loopback)
