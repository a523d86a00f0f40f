"""Where a game is to be looked at: a link is built by us, or held to a narrow form."""

import re
from urllib.parse import quote

from chesscoach.config import Emails
from chesscoach.emails.weekly.values import Highlight

_AT_ITS_SITE = re.compile(
    r"https://(?:lichess\.org|www\.chess\.com|chess\.com)/[A-Za-z0-9/_-]{1,200}", re.ASCII
)
_LONGEST_ID = 100


def to_game(highlight: Highlight, emails: Emails) -> str:
    """A game's page at its site, else the application's page of it, else an empty text.

    The address came with the game, from outside: only https, the sites' own hosts and a path of
    plain characters are let through.
    """
    if highlight.game is not None and _AT_ITS_SITE.fullmatch(highlight.game.url):
        return highlight.game.url
    game_id = highlight.game_id
    usable = 0 < len(game_id) <= _LONGEST_ID and game_id.isprintable()
    if not (usable and emails.application):
        return ""
    return emails.application + emails.game_path.replace("{game_id}", quote(game_id, safe=""))


def quoted(url: str) -> str:
    """An address without anything that could end a header or an attribute."""
    return quote(url, safe=":/?#[]@!$&()*+,;=%~-._", errors="replace")
