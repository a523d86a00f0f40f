"""The list of sources, and what every room needs to know about each.

To add a source, add it here and to `Platform`. Write its client in this room and its fetcher in
`sync/fetching/`, and open the client in `context.py`.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from chesscoach.sources.game import Platform


class Source(Struct, frozen=True, kw_only=True):
    """A source of games.

    `name` is shown to people. `key` is the source in flags, settings and counts. `user_fields` are
    the fields of `users` that may hold a player's name there; the first one with a name decides.
    `username_pattern` matches every name that a player could have. `by_month` says that games are
    served in archive months. `requires_contact` says that it refuses requests without a contact.
    """

    name: str
    key: str
    user_fields: tuple[str, ...]
    username_pattern: re.Pattern[str]
    by_month: bool = False
    requires_contact: bool = False


SOURCES: Mapping[Platform, Source] = {
    "lichess": Source(
        name="Lichess",
        key="lichess",
        user_fields=("lichess_username",),
        # The historical form of names; those that can be chosen today are a subset.
        username_pattern=re.compile(r"[A-Za-z0-9_-]{2,30}", re.ASCII),
    ),
    "chess.com": Source(
        name="Chess.com",
        key="chesscom",
        user_fields=("chess_com_username", "chesscom_username"),  # both occur, the newer one first
        username_pattern=re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII),
        by_month=True,
        requires_contact=True,
    ),
}
