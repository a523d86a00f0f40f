"""Opens the parts of the program in order, and closes them in the reverse order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from chesscoach.alerts.context import AlertContext
from chesscoach.alerts.store.alerts import Alerts
from chesscoach.alerts.store.run_history import RunHistory
from chesscoach.cleanup.context import CleanupContext
from chesscoach.cleanup.store.deletion import Deleter
from chesscoach.config import Config, ProcessEnvironment, Settings
from chesscoach.declared_indexes import COLLECTIONS, INDEXES
from chesscoach.emails.context import EmailContext
from chesscoach.emails.store.outbox import Outbox
from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.emails.store.recipients import Recipients
from chesscoach.emails.store.subscriptions import Subscriptions
from chesscoach.emails.store.suppressions import Suppressions
from chesscoach.metrics import Metrics
from chesscoach.momentum.admin.context import AdminContext
from chesscoach.momentum.context import MomentumContext
from chesscoach.momentum.store.collections import MomentumCollections
from chesscoach.momentum.store.progress import ProgressStore
from chesscoach.momentum.store.sessions import TrainingSessions
from chesscoach.momentum.store.state import StateStore
from chesscoach.momentum.store.streaks import StreakStore
from chesscoach.momentum.store.views import Views
from chesscoach.momentum.views import ViewContext
from chesscoach.mongo.database import OpenDatabase, open_database
from chesscoach.mongo.indexes import Indexes
from chesscoach.players.store.notifications import Notifications
from chesscoach.players.store.users import Users
from chesscoach.schedules.iso_week import Week
from chesscoach.sources.chesscom import Chesscom
from chesscoach.sources.client import SourceClient
from chesscoach.sources.game import Platform
from chesscoach.sources.lichess import Lichess
from chesscoach.sources.source import SOURCES
from chesscoach.sync.context import SyncContext
from chesscoach.sync.store.accounts import Accounts
from chesscoach.sync.store.analysis_queue import AnalysisQueue
from chesscoach.sync.store.games import Games
from chesscoach.sync.store.lanes import SourceLane
from chesscoach.training.context import TrainingContext
from chesscoach.training.store.activity import ActivityReader
from chesscoach.training.store.players import Players
from chesscoach.training.store.recommendations import Recommendations
from chesscoach.training.store.routines import RoutineStore
from chesscoach.training.store.session_evidence import SessionEvidence
from chesscoach.training.store.sessions import SessionStore
from chesscoach.training.store.situations import SituationReader
from chesscoach.training.store.snapshots import Snapshots
from chesscoach.worker.observer import RunObserver, SilentObserver
from chesscoach.worker.store.admin_log import AdminLog
from chesscoach.worker.store.leases import Leases
from chesscoach.worker.store.runs import Runs
from chesscoach.worker.store.schedules import Schedules
from chesscoach.worker.worker import Worker

_EMAIL_PERIOD = timedelta(weeks=2)
"""How far back emails of unknown state are an alert: older ones are not sent again."""


class Context(Struct, frozen=True, kw_only=True):
    """The open parts of this process, and what each slice and the worker receive of them.

    `now` returns the current instant in UTC. `observer` receives the runs of this process.
    """

    config: Config
    process: ProcessEnvironment
    now: Callable[[], datetime]
    metrics: Metrics
    mongo: OpenDatabase
    leases: Leases
    lichess: Lichess
    chesscom: Chesscom
    observer: RunObserver = SilentObserver()

    @property
    def indexes(self) -> Indexes:
        """The indexes that the slices and the worker declare."""
        return Indexes(self.mongo.database, INDEXES, COLLECTIONS)

    @property
    def users(self) -> Users:
        """The application's users."""
        return Users(self.mongo.database)

    @property
    def admin_log(self) -> AdminLog:
        """What operators did."""
        return AdminLog(self.mongo.database)

    @property
    def worker(self) -> Worker:
        """What the worker receives."""
        database = self.mongo.database
        return Worker(
            app=self,
            config=self.config,
            process=self.process,
            now=self.now,
            metrics=self.metrics,
            runs=Runs(database, self.config.runner.lease_s),
            leases=self.leases,
            schedules=Schedules(database),
            require_indexes=self.indexes.require_unique,
            observer=self.observer,
        )

    @property
    def sync(self) -> SyncContext:
        """What the sync receives."""
        database = self.mongo.database
        return SyncContext(
            settings=self.config.sync,
            sources=self.config.sources,
            now=self.now,
            metrics=self.metrics,
            users=self.users,
            notifications=Notifications(database),
            accounts=Accounts(database),
            games=Games(database),
            analysis_queue=AnalysisQueue(database),
            lichess=self.lichess,
            chesscom=self.chesscom,
            lanes=_lanes(self.mongo, self.leases),
        )

    @property
    def emails(self) -> EmailContext:
        """What the emails receive."""
        database = self.mongo.database
        settings = self.config.emails
        return EmailContext(
            settings=settings,
            process=self.process,
            keep_outbox_days=self.config.cleanup.keep_outbox_days,
            lease_s=self.config.runner.lease_s,
            now=self.now,
            wall_clock=utc_now,
            metrics=self.metrics,
            configured_schedules=self.config.schedules,
            schedules=Schedules(database),
            recipients=Recipients(database, default_opt_in=settings.default_opt_in),
            outbox=Outbox(database),
            player_weeks=PlayerWeeks(database),
            subscriptions=Subscriptions(database, default_opt_in=settings.default_opt_in),
            suppressions=Suppressions(database),
        )

    @property
    def cleanup(self) -> CleanupContext:
        """What the cleanup receives."""
        database = self.mongo.database
        return CleanupContext(
            settings=self.config.cleanup,
            runner=self.config.runner,
            now=self.now,
            configured_schedules=self.config.schedules,
            schedules=Schedules(database),
            runs=Runs(database, self.config.runner.lease_s),
            deleter=Deleter(database),
        )

    @property
    def momentum(self) -> MomentumContext:
        """What momentum receives."""
        return MomentumContext.of_database(self.mongo.database, self.config.momentum, self.now)

    @property
    def momentum_admin(self) -> AdminContext:
        """What the administrative commands of momentum receive."""
        database = self.mongo.database
        return AdminContext(
            now=self.now,
            worker=self.worker,
            collections=MomentumCollections(database),
            log=self.admin_log,
            state=StateStore(database),
            progress=ProgressStore(database),
            streaks=StreakStore(database),
        )

    @property
    def momentum_views(self) -> ViewContext:
        """What the views of momentum receive."""
        database = self.mongo.database
        return ViewContext(
            settings=self.config.momentum,
            now=self.now,
            views=Views(database),
            state=StateStore(database),
            sessions=TrainingSessions(database),
        )

    @property
    def training(self) -> TrainingContext:
        """What training receives."""
        database = self.mongo.database
        return TrainingContext(
            settings=self.config.training,
            now=self.now,
            players=Players(database),
            activity=ActivityReader(database),
            snapshots=Snapshots(database),
            situations=SituationReader(database),
            recommendations=Recommendations(database),
            close_hour=self.config.momentum.close_hour,
            routines=RoutineStore(database),
            sessions=SessionStore(database),
            session_evidence=SessionEvidence(database),
        )

    @property
    def alerts(self) -> AlertContext:
        """What the alerts receive."""
        database = self.mongo.database
        outbox, config = Outbox(database), self.config
        lanes = _lanes(self.mongo, self.leases)

        async def count_unknown_emails() -> int:
            return await outbox.count_unknown(Week.containing((self.now() - _EMAIL_PERIOD).date()))

        return AlertContext(
            settings=config.alerts,
            jobs=config.jobs,
            runner=config.runner,
            now=self.now,
            metrics=self.metrics,
            configured_schedules=config.schedules,
            schedules=Schedules(database),
            runs=Runs(database, config.runner.lease_s),
            history=RunHistory(database),
            alerts=Alerts(database),
            breakers={platform: lane.breaker for platform, lane in lanes.items()},
            unknown_emails=count_unknown_emails,
        )


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_context(
    settings: Settings, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Context]:
    """Opens the only Context of a process.

    Raises:
        StoreUnavailable: MongoDB cannot be used within the configured time.
        ConfigError: a setting cannot be used, as only its use shows.
    """
    config, metrics = settings.config, Metrics()
    sources, proxies = config.sources, settings.process.proxies
    async with AsyncExitStack() as stack:
        mongo = await stack.enter_async_context(open_database(config, settings.process, metrics))
        leases = Leases(mongo.database, config.runner.lease_s)
        lanes = _lanes(mongo, leases)

        async def open_client(platform: Platform, base_url: str) -> SourceClient:
            proxy = proxies.url_for(base_url, used=sources.use_environment_proxy)
            client = SourceClient(platform, base_url, lanes[platform], sources, metrics, proxy)
            return await stack.enter_async_context(client)

        lichess = await open_client("lichess", sources.lichess.base_url)
        chesscom = await open_client("chess.com", sources.chesscom.base_url)
        yield Context(
            config=config,
            process=settings.process,
            now=now,
            metrics=metrics,
            mongo=mongo,
            leases=leases,
            lichess=Lichess(lichess, sources.lichess.users_per_10min),
            chesscom=Chesscom(chesscom),
        )


def _lanes(mongo: OpenDatabase, leases: Leases) -> dict[Platform, SourceLane]:
    return {platform: SourceLane(mongo.database, leases, platform) for platform in SOURCES}
