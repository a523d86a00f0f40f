"""Links to games: built by us, or checked against a narrow form."""

import re
from urllib.parse import quote

from chesscoach.config import EmailSettings
from chesscoach.emails.weekly.values import Highlight

_SOURCE_URL_PATTERN = re.compile(
    r"https://(?:lichess\.org|www\.chess\.com|chess\.com)/[A-Za-z0-9/_-]{1,200}", re.ASCII
)
_MAX_ID_LENGTH = 100


def game_url(highlight: Highlight, emails: EmailSettings) -> str:
    """The game's page at its source, otherwise the application's page, otherwise an empty text.

    The URL comes from outside. Only https, the sources' own hosts and a path of plain characters
    are accepted.
    """
    if highlight.game is not None and _SOURCE_URL_PATTERN.fullmatch(highlight.game.url):
        return highlight.game.url
    game_id = highlight.game_id
    usable = 0 < len(game_id) <= _MAX_ID_LENGTH and game_id.isprintable()
    if not (usable and emails.application_url):
        return ""
    return emails.application_url + emails.game_path.replace("{game_id}", quote(game_id, safe=""))


def escape_url(url: str) -> str:
    """Quote all characters of a URL that could end a header or an attribute."""
    return quote(url, safe=":/?#[]@!$&()*+,;=%~-._", errors="replace")
