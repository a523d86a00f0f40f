"""What the emails receive."""

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct

from chesscoach.config import EmailSettings, ProcessEnvironment
from chesscoach.emails.store.outbox import Outbox
from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.emails.store.recipients import Recipients
from chesscoach.emails.store.subscriptions import Subscriptions
from chesscoach.emails.store.suppressions import Suppressions
from chesscoach.metrics import Metrics
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.store.schedules import Schedules


class EmailContext(Struct, frozen=True, kw_only=True):
    """The collections and settings of the emails.

    `keep_outbox_days` is how long the outbox remembers a week; `lease_s` is how long a claimed
    email may take. `wall_clock` is real time, which the provider goes by, whatever `now` says.
    """

    settings: EmailSettings
    process: ProcessEnvironment
    keep_outbox_days: int
    lease_s: float
    now: Callable[[], datetime]
    wall_clock: Callable[[], datetime]
    metrics: Metrics
    configured_schedules: Mapping[str, Schedule]
    schedules: Schedules
    recipients: Recipients
    outbox: Outbox
    player_weeks: PlayerWeeks
    subscriptions: Subscriptions
    suppressions: Suppressions
