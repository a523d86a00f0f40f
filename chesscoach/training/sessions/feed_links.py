"""Signed links to a routine's calendar feed.

Calendar programs follow a subscription for years, so a link does not expire by itself. It stops
with its routine, or when its signing key is removed.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from chesscoach.errors import InvalidLink
from chesscoach.signed_tokens import SignedTokens

_SIGNING_SALT = "calendar.v1"


class FeedLinks:
    """Creates links and parses their tokens; for the arguments see SignedTokens.

    Raises:
        ConfigError: there is no key.
    """

    def __init__(self, public_url: str, keys: Sequence[str], now: Callable[[], datetime]) -> None:
        self._base = public_url.rstrip("/")
        self._tokens = SignedTokens(keys, _SIGNING_SALT, now)

    def url(self, routine_id: str) -> str:
        """The URL of a routine's feed."""
        return f"{self._base}/calendar/{self._tokens.make(routine_id)}.ics"

    def parse(self, token: str) -> str:
        """The routine of a token.

        Raises:
            InvalidLink: it is malformed, or was altered.
        """
        routine_id = self._tokens.read(token)
        if not isinstance(routine_id, str):
            raise InvalidLink("malformed")
        return routine_id
