"""The two listeners: the operators' own, and the one for others.

They are opened before the scheduler and closed after it, so that they answer while it drains.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from chesscoach.config import LISTENERS, Listener
from chesscoach.context import Context
from chesscoach.web.health import Health
from chesscoach.web.loop_lag import LoopLagMonitor
from chesscoach.web.metrics_endpoint import MetricsEndpoint
from chesscoach.web.public_routes import public_routes
from chesscoach.web.server import start_listener
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.shutdown import ShutdownRequest


@asynccontextmanager
async def open_web(
    ctx: Context, stop: ShutdownRequest, alarm: Ticker | None = None
) -> AsyncIterator[Mapping[Listener, str]]:
    """Listens where `[web]` says while it is entered; gives the URLs.

    Args:
        ctx: the context, of which the metrics are told.
        stop: the wish to stop; once it is there we are not ready any more.
        alarm: the scheduler's, where this process schedules.

    Raises:
        ListenError: an address cannot be had; the message names the setting.
        ConfigError: SendGrid's verification key is none, or a catalog of words cannot be used.
    """
    async with AsyncExitStack() as stack:
        probe = await stack.enter_async_context(ctx.mongo.open_probe())
        health = Health(probe, stop, alarm, stack.enter_context(LoopLagMonitor(ctx.metrics)))
        routes = {
            "admin": [*health.routes(), *MetricsEndpoint(ctx, probe, alarm).routes()],
            "public": [*health.routes(), *await public_routes(ctx)],
        }
        urls: dict[Listener, str] = {}
        for listener in LISTENERS:
            if (address := ctx.config.web.address(listener)) is not None:
                one = start_listener(listener, address, routes[listener], ctx.metrics)
                urls[listener] = await stack.enter_async_context(one)
        yield urls
