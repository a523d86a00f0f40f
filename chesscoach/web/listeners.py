"""The two listeners: `admin` for operators, `public` for everyone else.

They open before the scheduler and close after it, so that they answer while it drains.
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
    ctx: Context, stop: ShutdownRequest, ticker: Ticker | None = None
) -> AsyncIterator[Mapping[Listener, str]]:
    """Listens on the addresses of `[web]` while the context is open; yields the URLs.

    Args:
        ctx: the context whose metrics are served.
        stop: the request to stop, after which the process is not ready any more.
        ticker: the scheduler's ticker, if this process has a scheduler.

    Raises:
        ListenError: an address cannot be used; the message names the setting.
        ConfigError: SendGrid's verification key or a message catalog cannot be used.
    """
    async with AsyncExitStack() as stack:
        probe = await stack.enter_async_context(ctx.mongo.open_probe())
        health = Health(probe, stop, ticker, stack.enter_context(LoopLagMonitor(ctx.metrics)))
        routes = {
            "admin": [*health.routes(), *MetricsEndpoint(ctx, probe, ticker).routes()],
            "public": [*health.routes(), *await public_routes(ctx)],
        }
        urls: dict[Listener, str] = {}
        for listener in LISTENERS:
            if (address := ctx.config.web.address(listener)) is not None:
                server = start_listener(listener, address, routes[listener], ctx.metrics)
                urls[listener] = await stack.enter_async_context(server)
        yield urls
