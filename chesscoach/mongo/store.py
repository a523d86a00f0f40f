"""The store as the rest of the program sees it, and how it is opened and closed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from pymongo import ReadPreference

from chesscoach.cleanup.store.deletion import Deleter
from chesscoach.config import Config, ProcessEnvironment
from chesscoach.emails.store.outbox import Outbox
from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.emails.store.recipients import Recipients
from chesscoach.emails.store.subscriptions import Subscriptions
from chesscoach.emails.store.suppressions import Suppressions
from chesscoach.metrics import Metrics
from chesscoach.mongo import indexes
from chesscoach.mongo.client import Database, DriverListener, connect, wait_until_ready
from chesscoach.mongo.embedded import EmbeddedServer, EmbeddedServerRestarter
from chesscoach.mongo.probe import Probe, open_probe
from chesscoach.mongo.retry_metrics import RetryCounter
from chesscoach.mongo.server_info import ServerInfo, server_info, server_time
from chesscoach.players.store.notifications import Notifications
from chesscoach.players.store.users import Users
from chesscoach.sources.game import Platform
from chesscoach.sync.store.accounts import Accounts
from chesscoach.sync.store.analysis_queue import AnalysisQueue
from chesscoach.sync.store.games import Games
from chesscoach.sync.store.lanes import SourceLane
from chesscoach.worker.store.leases import Leases
from chesscoach.worker.store.runs import Runs
from chesscoach.worker.store.schedules import Schedules
from chesscoach.worker.store.shards import Shards


class Store(Struct, frozen=True, kw_only=True):
    """One concern each; `place` tells people where the data is, without credentials.

    `lanes` are how many each site has. `open_probe` opens a way to the same database that waits for
    nobody else.
    """

    schedules: Schedules
    runs: Runs
    shards: Shards
    leases: Leases
    accounts: Accounts
    users: Users
    games: Games
    analysis_queue: AnalysisQueue
    notifications: Notifications
    recipients: Recipients
    outbox: Outbox
    player_weeks: PlayerWeeks
    subscriptions: Subscriptions
    suppressions: Suppressions
    deleter: Deleter
    lanes: Mapping[Platform, int]
    place: str
    database: Database
    open_probe: Callable[[], AbstractAsyncContextManager[Probe]]

    def lane(self, site: Platform) -> SourceLane:
        """A lane of a site."""
        return SourceLane(self.database, self.leases, site, self.lanes[site])

    async def prepare(self, *, storm: bool = False) -> indexes.IndexReport:
        """Makes the collections and indexes that we need; see `indexes.create`."""
        return await indexes.create(self.database, storm=storm)

    async def missing(self) -> list[str]:
        """The names of the indexes that we need and that do not stand."""
        return await indexes.missing(self.database)

    async def server(self) -> ServerInfo:
        """What the server is."""
        return await server_info(self.database)

    async def clock(self) -> datetime:
        """The server's clock."""
        return await server_time(self.database)

    async def require(self, *collections: str) -> None:
        """Raises SetupError unless the unique indexes of these collections stand."""
        await indexes.require_unique(self.database, *collections)


@asynccontextmanager
async def open_store(
    config: Config,
    process: ProcessEnvironment,
    metrics: Metrics,
    listeners: Sequence[DriverListener] = (),
) -> AsyncIterator[Store]:
    """Opens the database of `MONGO_URL`, or starts the embedded one, and closes it at the end.

    `listeners` are told of the commands that are sent.

    Raises:
        StoreUnavailable: there is no server to be used within the configured time.
        ConfigError: a URL that cannot be used.
    """
    ears = [RetryCounter(metrics), *listeners]
    if process.mongo_url:
        async with _open_database(config, process.mongo_url, ears) as database:
            place = f"MONGO_URL, database {config.database.name}"
            yield _store(config, database, process.mongo_url, place)
        return
    folder = _embedded_folder(config)
    embedded = EmbeddedServer(folder)
    url = await asyncio.to_thread(embedded.start_or_join)
    try:
        async with _open_database(
            config, url, [*ears, EmbeddedServerRestarter(embedded)]
        ) as database:
            place = f"{url} ({folder}), database {config.database.name}"
            yield _store(config, database, url, place)
    finally:
        await asyncio.to_thread(embedded.leave)


@asynccontextmanager
async def _open_database(
    config: Config, url: str, listeners: list[DriverListener]
) -> AsyncIterator[Database]:
    loop = asyncio.get_running_loop()
    client = await asyncio.to_thread(connect, url, config.database, loop, listeners)
    try:
        await wait_until_ready(client)
        # A claim read from a secondary would be an old one, whatever the URL prefers.
        yield client.get_database(config.database.name, read_preference=ReadPreference.PRIMARY)
    finally:
        await asyncio.to_thread(client.close)


def _embedded_folder(config: Config) -> Path:
    return Path(config.database.embedded_dir).absolute()


def _store(config: Config, database: Database, url: str, place: str) -> Store:
    return Store(
        schedules=Schedules(database),
        runs=Runs(database, config.runner.lease_s),
        shards=Shards(database),
        leases=Leases(database, config.runner.lease_s),
        accounts=Accounts(database),
        users=Users(database),
        games=Games(database),
        analysis_queue=AnalysisQueue(database),
        notifications=Notifications(database),
        recipients=Recipients(database),
        outbox=Outbox(database),
        player_weeks=PlayerWeeks(database),
        subscriptions=Subscriptions(database),
        suppressions=Suppressions(database),
        deleter=Deleter(database),
        lanes={"lichess": config.sources.lichess.lanes, "chess.com": config.sources.chesscom.lanes},
        place=place,
        database=database,
        # A function hides the URL, which a partial would show in its text form.
        open_probe=lambda: open_probe(url, config.database.name, config.runner.lease_s),
    )
