"""What a fetcher learns about an account, one fact at a time; `account_progress` folds them."""

from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.game import Game, UnfinishedGame
from chesscoach.sync.account import AccountLink


class GamesFetched(Struct, frozen=True, kw_only=True):
    """Games of the account for the users of `links`.

    `first_sync` marks games of a user's first sync, which may queue more analyses. `unreadable` has
    the ids of games that could not be read.
    """

    links: tuple[AccountLink, ...]
    games: tuple[Game, ...] = ()
    first_sync: bool = False
    unreadable: tuple[str, ...] = ()


class ExportFetched(GamesFetched, frozen=True, kw_only=True):
    """A piece of a Lichess export.

    All games that began before `cursor` have been fetched for the users who are up to date; None if
    the export says nothing about them. `unfinished` are games to follow until they end.
    """

    cursor: datetime | None = None
    unfinished: tuple[UnfinishedGame, ...] = ()


class UnfinishedChecked(GamesFetched, frozen=True, kw_only=True):
    """The account's unfinished games were asked for: `games` have ended, `unfinished` go on."""

    unfinished: tuple[UnfinishedGame, ...]


class MonthFetched(GamesFetched, frozen=True, kw_only=True):
    """The response to a request for one of Chess.com's archive months.

    `complete` says that `games` are all its games, for all users who are up to date: only then does
    its ETag stand for them.
    """

    month: str
    response: ArchiveMonth
    complete: bool = True


class BackfillDone(Struct, frozen=True, kw_only=True):
    """A user's own backfill is complete; it left out games that ended before `oldest_game_at`.

    `cursor` and `unfinished` are as in `ExportFetched`.
    Unfinished games come with this fact and not earlier, because only users who are up to date
    receive them when they end.
    """

    user_id: str
    oldest_game_at: datetime | None
    cursor: datetime | None = None
    unfinished: tuple[UnfinishedGame, ...] = ()


class MoreToCome(Struct, frozen=True):
    """The check continues after other accounts have had their turn."""


class CheckFinished(Struct, frozen=True, kw_only=True):
    """The check is complete.

    On Lichess, `fingerprint` and `seen_at` are from the bulk response, and `exported` says that the
    new games were fetched.
    """

    fingerprint: str = ""
    seen_at: datetime | None = None
    exported: bool = False


class ClosedFound(Struct, frozen=True):
    """The source says that the account is closed."""


class NotFound(Struct, frozen=True):
    """The source does not know the name."""


class RenameFound(Struct, frozen=True):
    """The source redirects to another name."""

    name: str


class CheckFailed(Struct, frozen=True):
    """The check cannot continue."""

    error: Exception


Fact: TypeAlias = (
    GamesFetched
    | BackfillDone
    | MoreToCome
    | CheckFinished
    | ClosedFound
    | NotFound
    | RenameFound
    | CheckFailed
)
