"""Accounts on the sources, and the users who linked them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from chesscoach.sources.game import Platform, UnfinishedGame

AccountStatus = Literal[
    "active",
    "closed",  # the source says that the player has closed it, or that it was closed
    "missing",  # the source did not know it, several checks in a row
]


Month = Annotated[str, Meta(pattern=r"^(19|20)\d\d-(0[1-9]|1[0-2])\Z")]
"""A month as `2026-11`."""


class SealedMonth(Struct, frozen=True, kw_only=True):
    """A Chess.com month that should change no more, as it was last seen; `etag` as in `Account`."""

    etag: str
    checked_at: datetime


class AccountLink(Struct, frozen=True, kw_only=True):
    """A user who linked an account, and how they spell its name.

    `first_sync_from` is where the user's games begin at a takeover; it is None for a first sync,
    which has the newest games of the last months. `backfilled` says that
    the user's own backfill is complete; it left out games that ended before `oldest_game_at`.
    `notified_status` is the status of the account that the user has been notified of.
    """

    user_id: str
    name: str
    first_sync_from: datetime | None = field(default=None, name="since")
    oldest_game_at: datetime | None = field(default=None, name="floor")
    backfilled: bool = field(default=False, name="joined")
    notified_status: AccountStatus = field(default="active", name="told")


class Account(Struct, frozen=True, kw_only=True):
    """The state of one account on one source; `key` is `{platform}:{name}`.

    `cursor` is the start instant of the newest Lichess game that is stored, and `fingerprint_at`
    when `fingerprint` was last accounted for. `first_month` (`2026-11`) is the oldest Chess.com
    month that may still change. For each month since, `etags` has the ETag of the response whose
    games are stored. It is empty if the response had none, or a game that could not be read.
    `player_key` is the source's own identity of the player if that is not the name.
    `sealed_months` are older months whose changes are looked for now and then. `gone_months` are
    those that the source asked us never to ask for again. `status` changes to "missing" after some
    checks in a row (`not_found_checks`) in which the source did not know the name. `lapse_count`
    counts how often the account came back. `active_at` is the newest sign of the player.
    `checked_at` is when the last complete check began. `saved_at` is when this was last written.
    """

    key: str
    platform: Platform
    name: str
    links: tuple[AccountLink, ...]
    created_at: datetime
    cursor: datetime | None = None
    unfinished_games: tuple[UnfinishedGame, ...] = field(default=(), name="pending")
    fingerprint: str = ""
    fingerprint_at: datetime | None = field(default=None, name="settled_at")
    first_month: Month | None = None
    etags: dict[str, str] = {}
    sealed_months: dict[str, SealedMonth] = field(default_factory=dict, name="sealed")
    gone_months: tuple[str, ...] = field(default=(), name="gone")
    player_key: str | None = None
    status: AccountStatus = field(default="active", name="standing")
    not_found_checks: int = field(default=0, name="absent")
    lapse_count: int = field(default=0, name="lapses")
    active_at: datetime | None = None
    checked_at: datetime | None = None
    saved_at: datetime | None = None

    @property
    def backfilled_links(self) -> tuple[AccountLink, ...]:
        """The users whose backfill is complete: new games are theirs at once."""
        return tuple(link for link in self.links if link.backfilled)

    @property
    def new_links(self) -> tuple[AccountLink, ...]:
        """The users who still wait for their own backfill."""
        return tuple(link for link in self.links if not link.backfilled)
