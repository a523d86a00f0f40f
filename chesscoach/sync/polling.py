"""When an account must be checked: whether it is due, and whether it has news.

Lichess sets seenAt when a player connects, at most every five minutes. It counts games with a clock
in playTime, and rated games in perfs. Games of bots may change none of these.
"""

from datetime import datetime, timedelta
from zlib import crc32

from msgspec import Struct

from chesscoach.sources.lichess_status import LichessStatus
from chesscoach.sync.account import Account


class Tier(Struct, frozen=True):
    """How often players are checked who were active less than `idle` ago."""

    name: str
    idle: timedelta
    period: timedelta


TIERS = (
    Tier("every run", timedelta(days=2), timedelta(0)),
    Tier("daily", timedelta(days=14), timedelta(days=1)),
    Tier("weekly", timedelta(days=90), timedelta(days=7)),
    Tier("monthly", timedelta.max, timedelta(days=30)),
)
LAPSED_TIER = Tier("weekly", timedelta.max, timedelta(days=7))
"""Accounts that are closed or missing, in case that they come back."""

INTERVAL_TOLERANCE = timedelta(hours=3)
"""Half of the six hours between runs, so that "daily" is not missed by a minute and becomes 30."""

_JITTER = 0.1
"""Up to this share of a period an account is due early, so that those taken over together part."""

RECENT_ACTIVITY = timedelta(minutes=15)
"""A player seen this shortly before an export may have gone on playing unnoticed."""

MAX_CONSECUTIVE_FAILURES = 3
"""Failed checks in a row before an account is set aside."""

FAILURE_BACKOFF = timedelta(days=1)
"""How long runs skip an account that was set aside; `--all` and `--user` still check it."""

CURSOR_OVERLAP = timedelta(minutes=10)
"""An export begins so long before the cursor: whether Lichess's `since` is inclusive is open."""

BACKLOG_WINDOW = timedelta(days=30)
"""How long before the months that a take-over fetches again games may have begun that ended in
them; those still being played are sought whenever they began."""

VERIFY_AFTER = timedelta(days=30)
"""A sealed month is asked for again so long after its last check at the earliest."""

VERIFY_SPREAD = timedelta(days=10)
"""Over so long the accounts spread these, for their months were sealed at the same time."""

VERIFIED_MONTHS = 12
"""Sealed months that are verified; later changes in older ones pass unnoticed."""

FULL_CHECK_INTERVAL = timedelta(days=7)
"""A player is exported after this time, whatever the fingerprint says."""


def polling_tier(account: Account, at: datetime) -> Tier:
    """How often an account is checked, by how long ago its player was active."""
    if account.status != "active":
        return LAPSED_TIER
    idle = at - (account.active_at or account.created_at)
    return next(tier for tier in TIERS if idle < tier.idle)


def due_at(account: Account, checked_at: datetime) -> datetime:
    """When an account that was checked is due again; always the same share early."""
    period = polling_tier(account, checked_at).period
    early = _JITTER * _stable_fraction(account) * period
    return checked_at + max(period - INTERVAL_TOLERANCE - early, timedelta(0))


def backoff_until(failures: int, due_at: datetime, now: datetime) -> datetime | None:
    """Until when an account is set aside, by its failed checks in a row; None if it is not."""
    return due_at if failures >= MAX_CONSECUTIVE_FAILURES and due_at > now else None


def month_to_verify(account: Account, now: datetime) -> str | None:
    """The sealed month to be asked for again, one a check; None if none has waited long enough."""
    wait = VERIFY_AFTER + _stable_fraction(account) * VERIFY_SPREAD
    month, sealed = min(
        account.sealed_months.items(), key=lambda item: item[1].checked_at, default=(None, None)
    )
    return month if sealed is not None and now - sealed.checked_at >= wait else None


def _stable_fraction(account: Account) -> float:
    """Where an account stands among all of them, from 0 to 1; always the same."""
    return crc32(account.key.encode()) / 2**32


def has_news(account: Account, player: LichessStatus, now: datetime) -> bool:
    """Whether a Lichess account's games must be exported.

    `account.fingerprint_at` is when its fingerprint was last accounted for. Before that, on
    takeover, a player who was not seen since the cursor has no new games.
    """
    if player.bot or player.seen_at is None:
        return True
    if account.fingerprint_at is None:
        return account.cursor is None or player.seen_at >= account.cursor - CURSOR_OVERLAP
    if player.fingerprint != account.fingerprint:
        return True
    age = now - account.fingerprint_at
    recent = player.seen_at >= account.fingerprint_at - RECENT_ACTIVITY
    return age >= FULL_CHECK_INTERVAL or (recent and age >= RECENT_ACTIVITY)
