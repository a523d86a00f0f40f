"""Signed unsubscribe links: they expire, and serve one purpose.

Mail programs also follow a link in an email, without cookie or login. So the link itself names the
user, and its token holds nothing else.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from chesscoach.emails.recipient import EmailKind
from chesscoach.errors import InvalidLink
from chesscoach.signed_tokens import SignedTokens

_SIGNING_SALT = "unsubscribe.v1"


class UnsubscribeRequest(Struct, frozen=True, kw_only=True):
    """A user and the kind of emails that they no longer want."""

    user_id: str
    kind: EmailKind


class UnsubscribeLinks:
    """Creates links and parses their tokens.

    Args:
        public_url: the URL of our public listener from outside.
        keys: the newest key, which signs, first; then older ones whose links are still valid.
        max_age_days: how long a link is valid.
        now: the clock.

    Raises:
        ConfigError: there is no key.
    """

    def __init__(
        self, public_url: str, keys: Sequence[str], max_age_days: int, now: Callable[[], datetime]
    ) -> None:
        self._base = public_url.rstrip("/")
        self._tokens = SignedTokens(keys, _SIGNING_SALT, now, timedelta(days=max_age_days))

    def url(self, user_id: str, kind: EmailKind) -> str:
        """The URL where a user unsubscribes from a kind of emails."""
        return f"{self._base}/unsubscribe/{self._tokens.make([user_id, kind])}"

    def parse(self, token: str) -> UnsubscribeRequest:
        """Parse a token.

        Raises:
            InvalidLink: it is malformed, was altered, or has expired.
        """
        payload = self._tokens.read(token)
        try:
            user_id, kind = msgspec.convert(payload, tuple[str, EmailKind])
        except msgspec.ValidationError:  # signed by another version of ours
            raise InvalidLink("malformed") from None
        return UnsubscribeRequest(user_id=user_id, kind=kind)
