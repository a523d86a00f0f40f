"""What Chess.com says about one month of an account."""

from msgspec import Struct

from chesscoach.sources.game import Game


class ArchiveMonth(Struct, frozen=True, kw_only=True):
    """The response to a request for a month.

    `changed` is False if the month is still what the given ETag stands for. `gone` says that the
    source asks never to be asked for it again. `unreadable` has the ids of games that could not be
    read.
    """

    changed: bool
    gone: bool = False
    etag: str | None = None
    games: tuple[Game, ...] = ()
    unreadable: tuple[str, ...] = ()
