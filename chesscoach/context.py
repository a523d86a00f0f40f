"""What a job is given, opened in order and closed in the reverse order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from msgspec import Struct

from chesscoach.config import Config, ProcessEnvironment, Settings
from chesscoach.metrics import Metrics
from chesscoach.mongo.store import Store, open_store
from chesscoach.sources.chesscom import Chesscom
from chesscoach.sources.client import SourceClient
from chesscoach.sources.lichess import Lichess


class Context(Struct, frozen=True, kw_only=True):
    """The parts of the program; `now` gives the current instant in UTC."""

    config: Config
    process: ProcessEnvironment
    now: Callable[[], datetime]
    store: Store
    lichess: Lichess
    chesscom: Chesscom
    metrics: Metrics


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_context(
    settings: Settings, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Context]:
    """The only way to a Context.

    Raises:
        StoreUnavailable: MongoDB cannot be used within the configured time.
        ConfigError: a setting that shows to be unusable only here.
    """
    config, metrics = settings.config, Metrics()
    sources = config.sources
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(config, settings.process, metrics))
        lichess = await stack.enter_async_context(
            SourceClient(
                "lichess", sources.lichess.base_url, store.lane("lichess"), sources, metrics
            )
        )
        chesscom = await stack.enter_async_context(
            SourceClient(
                "chess.com", sources.chesscom.base_url, store.lane("chess.com"), sources, metrics
            )
        )
        yield Context(
            config=config,
            process=settings.process,
            now=now,
            store=store,
            lichess=Lichess(lichess, sources.lichess.users_per_10min),
            chesscom=Chesscom(chesscom),
            metrics=metrics,
        )
