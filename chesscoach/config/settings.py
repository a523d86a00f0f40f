"""Every setting with its bounds and its default.

`config.toml` lists them with their units and reasons; a test compares the two.
"""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Struct

from chesscoach.config.alerts import AlertSettings
from chesscoach.config.cleanup import CleanupSettings
from chesscoach.config.emails import EmailSettings
from chesscoach.config.momentum import MomentumSettings
from chesscoach.config.proxies import Proxies
from chesscoach.config.section import (
    Fraction,
    PositiveInt,
    Section,
    UpstreamSettings,
    Url,
    UrlOrNone,
    host_of,
)
from chesscoach.config.training import TrainingSettings
from chesscoach.config.web import WebSettings
from chesscoach.schedules.schedule import Schedule, Seconds

_MAX_DATABASE_NAME_BYTES = 63


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """`[database]`; the URL itself is a secret and comes from `MONGO_URL` alone."""

    name: Annotated[str, Meta(pattern=r'^[^/\\. "$*<>:|?\x00]{0,63}\Z')] = ""
    timeout_s: Seconds = 30.0
    embedded_dir: str = ".chesscoach/mongo"
    allow_weak_writes: bool = False
    production: bool = False

    def __post_init__(self) -> None:
        if len(self.name.encode(errors="replace")) > _MAX_DATABASE_NAME_BYTES:
            msg = f"name: longer than {_MAX_DATABASE_NAME_BYTES} bytes"
            raise ValueError(msg)


class RunnerSettings(Section, frozen=True, kw_only=True):
    """`[runner]`: what every job shares."""

    lease_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    grace_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 2
    keep_runs_days: Annotated[int, Meta(ge=1, le=3660)] = 90
    takeover_delay_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


class LichessSettings(UpstreamSettings, frozen=True, kw_only=True):
    """`[sources.lichess]`."""

    base_url: Url = "https://lichess.org"
    users_per_10min: PositiveInt = 8000


class ChesscomSettings(UpstreamSettings, frozen=True, kw_only=True):
    """`[sources.chesscom]`."""

    base_url: Url = "https://api.chess.com/pub"


class SourceSettings(Section, frozen=True, kw_only=True):
    """`[sources]`: how the sources are asked."""

    contact: Annotated[str, Meta(max_length=200, pattern=r"^[\x20-\x7e]*\Z")] = ""
    timeout_s: Seconds = 30.0
    first_pause_s: Seconds = 60.0
    breaker_open_s: Seconds = 900.0
    use_environment_proxy: bool = False
    lichess: LichessSettings = LichessSettings()
    chesscom: ChesscomSettings = ChesscomSettings()


class SyncSettings(Section, frozen=True, kw_only=True):
    """`[sync]`: which games of a player are fetched, and which are analysed."""

    first_months: Annotated[int, Meta(ge=1, le=120)] = 3
    first_games: PositiveInt = 500
    analyses_per_day: Annotated[int, Meta(ge=0, le=10_000)] = 3
    analyses_first_sync: Annotated[int, Meta(ge=0, le=10_000)] = 15
    analysis_moves: Annotated[int, Meta(ge=0, le=1000)] = 10
    notify_new_games: bool = True


class JobLimits(Section, frozen=True, kw_only=True):
    """`[jobs.NAME]`: when a run is stopped, slow or a failure, and which URL its runs ping.

    `ping_url` is a secret: code that prints settings must hide it.
    """

    timeout_s: Seconds = 20_000.0
    warn_after_s: Seconds = 300.0
    success_threshold: Fraction = 0.9
    ping_url: UrlOrNone = ""

    def __post_init__(self) -> None:
        if self.ping_url and not host_of(self.ping_url):
            msg = "ping_url: not a URL with a host"
            raise ValueError(msg)


class JobsSettings(Section, frozen=True, kw_only=True):
    """`[jobs]`: a table for each job."""

    sync_games: JobLimits = JobLimits()
    weekly_emails: JobLimits = JobLimits()
    cleanup: JobLimits = JobLimits()
    momentum: JobLimits = JobLimits(success_threshold=1.0)
    snapshots: JobLimits = JobLimits()
    recommendations: JobLimits = JobLimits()
    training_sessions: JobLimits = JobLimits()

    def limits_of(self, job: str) -> JobLimits:
        """The limits of a job; the defaults for one without a table."""
        limits: JobLimits = getattr(self, job, JobLimits())
        return limits

    def secrets(self) -> tuple[str, ...]:
        """The texts that must not be logged."""
        tables: list[JobLimits] = list(msgspec.structs.astuple(self))
        return tuple(limits.ping_url for limits in tables if limits.ping_url)


class LogSettings(Section, frozen=True, kw_only=True):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


def default_schedules() -> dict[str, Schedule]:
    """The schedules of an installation without its own."""
    return {
        "sync_games": Schedule(job="sync_games", cron="0 */6 * * *"),
        "sync_active": Schedule(
            job="sync_games",
            cron="*/5 * * * *",
            enabled=False,
            lock="sync_active",
            args={"active_within_h": 6},
        ),
        "weekly_emails": Schedule(
            job="weekly_emails",
            cron="0 9 * * 1",
            misfire_grace_s=129_600.0,
            overlap="queue_one",
        ),
        "weekly_emails_owed": Schedule(
            job="weekly_emails", cron="30 * * * 1-3", args={"owed": True}, misfire_grace_s=3600.0
        ),
        "cleanup": Schedule(job="cleanup", cron="0 3 * * *"),
        "momentum": Schedule(job="momentum", cron="5 * * * *"),
        "snapshots": Schedule(job="snapshots", cron="5 * * * *"),
        "recommendations": Schedule(job="recommendations", cron="0 * * * 0,1"),
        "training_sessions": Schedule(job="training_sessions", cron="0 5 * * *"),
        "training_completion": Schedule(
            job="training_sessions",
            cron="2 * * * *",
            args={"completion": True},
            misfire_grace_s=3600.0,
        ),
    }


class Config(Section, frozen=True, kw_only=True):
    """All settings."""

    database: DatabaseSettings = DatabaseSettings()
    runner: RunnerSettings = RunnerSettings()
    sources: SourceSettings = SourceSettings()
    sync: SyncSettings = SyncSettings()
    emails: EmailSettings = EmailSettings()
    cleanup: CleanupSettings = CleanupSettings()
    momentum: MomentumSettings = MomentumSettings()
    training: TrainingSettings = TrainingSettings()
    jobs: JobsSettings = JobsSettings()
    web: WebSettings = WebSettings()
    alerts: AlertSettings = AlertSettings()
    log: LogSettings = LogSettings()
    schedules: dict[str, Schedule] = msgspec.field(default_factory=default_schedules)


class ProcessEnvironment(Struct, frozen=True, kw_only=True):
    """What the environment gives to this process besides settings.

    `slot` comes from `CHESSCOACH_SLOT`. `kubernetes_job` is the name of the pod's Job; the name of
    a CronJob's Job ends in the slot's Unix minutes. `completion_index` is the pod's index in an
    Indexed Job, unchecked. `proxies` are empty if no setting uses them. `secret_settings` are the
    values of settings that are secret. The text form hides the URL and the key.
    """

    mongo_url: str | None = None
    sendgrid_key: str | None = None
    sender_email: str | None = None
    secret_settings: tuple[str, ...] = ()
    proxies: Proxies = Proxies()
    slot: datetime | None = None
    kubernetes_job: str | None = None
    completion_index: str | None = None
    source: Literal["cli", "kubernetes", "systemd", "web"] = "cli"

    def secrets(self) -> list[str]:
        """The texts that must not be logged: keys, the URL, its password encoded and decoded."""
        keys = [*self.secret_settings, *([self.sendgrid_key] if self.sendgrid_key else [])]
        keys += self.proxies.secrets()
        if self.mongo_url is None:
            return keys
        netloc = self.mongo_url.partition("://")[2].partition("/")[0]
        password = netloc.rpartition("@")[0].partition(":")[2]
        return [*keys, self.mongo_url, password, unquote(password)]

    def __repr__(self) -> str:
        return f"ProcessEnvironment(slot={self.slot}, source={self.source!r})"


class SettingsOrigin(Struct, frozen=True, kw_only=True):
    """Where the settings come from: names and places without values.

    `file` and `dotenv` are the files that were read; None if there is none. `variables` maps each
    variable that counts to its place, "environment" or ".env". `secret_files` are the files that a
    `NAME_FILE` names. `unread_files` are variables `NAME_FILE` that do not count, because `NAME` is
    set in the same place.
    """

    file: str | None = None
    dotenv: str | None = None
    variables: dict[str, str] = {}
    secret_files: tuple[str, ...] = ()
    unread_files: tuple[str, ...] = ()


class Settings(Struct, frozen=True, kw_only=True):
    """The configuration, the process environment and their origin, as `load` returns them."""

    config: Config
    process: ProcessEnvironment
    origin: SettingsOrigin = SettingsOrigin()
