"""Signed unsubscribe links: they expire, and serve one purpose.

Mail programs also follow a link in an email, without cookie or login. So the link itself names the
user, and its token holds nothing else. Each purpose has its own salt, so that a token is valid for
one purpose only.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode
from msgspec import Struct

from chesscoach.emails.recipient import EmailKind
from chesscoach.errors import ConfigError, InvalidLink

_SIGNING_SALT = "unsubscribe.v1"
_TOKEN_PATTERN = re.compile(r"\.?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_MAX_TOKEN_LENGTH = 2000
_MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of the signing machine may be ahead of ours."""


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
        if not keys:
            msg = "emails.signing_key: empty; links cannot be signed without it"
            raise ConfigError(msg)
        self._base = public_url.rstrip("/")
        self._max_age = timedelta(days=max_age_days)
        self._now = now
        self._unsubscribe = URLSafeTimedSerializer(
            list(reversed(keys)),  # there the last one is the newest
            salt=_SIGNING_SALT,
            signer=_Signer,
            signer_kwargs={"digest_method": hashlib.sha256, "now": now},
        )

    def url(self, user_id: str, kind: EmailKind) -> str:
        """The URL where a user unsubscribes from a kind of emails."""
        token = self._unsubscribe.dumps([user_id, kind])
        return f"{self._base}/unsubscribe/{token}"

    def parse(self, token: str) -> UnsubscribeRequest:
        """Parse a token.

        Raises:
            InvalidLink: it is malformed, was altered, or has expired.
        """
        if len(token) > _MAX_TOKEN_LENGTH or not _TOKEN_PATTERN.fullmatch(token):
            raise InvalidLink("malformed")
        try:
            payload, signed_at = self._unsubscribe.loads(token, return_timestamp=True)
        except BadData:
            raise InvalidLink("tampered") from None
        # The library would refuse a token that was signed a second ahead of our clock.
        if not -_MAX_CLOCK_SKEW <= self._now() - signed_at <= self._max_age:
            raise InvalidLink("aged")
        try:
            user_id, kind = msgspec.convert(payload, tuple[str, EmailKind])
        except msgspec.ValidationError:  # signed by another version of ours
            raise InvalidLink("malformed") from None
        return UnsubscribeRequest(user_id=user_id, kind=kind)


class _Signer(TimestampSigner):
    """The library's signer by our clock, with one spelling for each signature."""

    def __init__(self, *args: Any, now: Callable[[], datetime], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now().timestamp())

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        # The last character of base64 has bits to spare, and the library ignores them.
        if not super().verify_signature(value, sig):
            return False
        signature = sig if isinstance(sig, bytes) else sig.encode()
        return base64_encode(base64_decode(signature)) == signature
