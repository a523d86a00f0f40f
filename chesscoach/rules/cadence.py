"""When an account is to be asked about: whether it is due, and whether it has news.

Sources of the figures: Lichess sets a player's seenAt when he connects, at most every five
minutes, and counts clock games in playTime and rated games in perfs; bots may move none of them.
"""

from datetime import datetime, timedelta

from chesscoach.models import Account, Player

_TIERS = (
    (timedelta(days=2), timedelta(0)),  # played just now: every run
    (timedelta(days=14), timedelta(days=1)),
    (timedelta(days=90), timedelta(days=7)),
)
_DORMANT = timedelta(days=30)
_SLACK = timedelta(hours=3)
"""Half of the six hours between runs, so that "daily" is not missed by a minute and becomes 30."""

UNSETTLED = timedelta(minutes=15)
"""A player seen so shortly before an export may have gone on playing unnoticed."""

PATIENCE = 3
"""So many failed checks in a row set an account aside."""

SET_ASIDE = timedelta(days=1)
"""How long runs pass an account by that was set aside; `--all` and `--user` still take it."""

OVERLAP = timedelta(minutes=10)
"""An export begins so long before the cursor: whether Lichess's `since` is inclusive is open."""

FULL_CHECK = timedelta(days=7)
"""After so long a player is exported whatever his fingerprint says."""


def due_at(checked_at: datetime, active_at: datetime) -> datetime:
    """When an account that was checked is due again, by how long ago its player was active."""
    idle = checked_at - active_at
    for limit, period in _TIERS:
        if idle < limit:
            return checked_at + max(period - _SLACK, timedelta(0))
    return checked_at + _DORMANT - _SLACK


def has_news(account: Account, player: Player, now: datetime) -> bool:
    """Whether a Lichess account's games must be exported.

    `account.settled_at` is when its fingerprint was last accounted for; before that, on take-over,
    a player who was not seen since the cursor has no new games.
    """
    if player.bot or player.seen_at is None:
        return True
    if account.settled_at is None:
        return account.cursor is None or player.seen_at >= account.cursor - OVERLAP
    if player.fingerprint != account.fingerprint:
        return True
    age = now - account.settled_at
    recent = player.seen_at >= account.settled_at - UNSETTLED
    return age >= FULL_CHECK or (recent and age >= UNSETTLED)
