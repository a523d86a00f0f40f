"""Signed tokens for links: each purpose has its own salt, so a token serves one purpose only.

A link is followed without cookie or login. So the token itself names what it is for, and holds
nothing else.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from chesscoach.errors import ConfigError, InvalidLink

_TOKEN_PATTERN = re.compile(r"\.?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_MAX_TOKEN_LENGTH = 2000
_MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of the signing machine may be ahead of ours."""


class SignedTokens:
    """Makes tokens of a purpose and reads them.

    Args:
        keys: the newest key, which signs, first; then older ones whose links are still valid.
        salt: the purpose.
        now: the clock.
        max_age: how long a token is valid; None has no limit.

    Raises:
        ConfigError: there is no key.
    """

    def __init__(
        self,
        keys: Sequence[str],
        salt: str,
        now: Callable[[], datetime],
        max_age: timedelta | None = None,
    ) -> None:
        if not keys:
            msg = "emails.signing_key: empty; links cannot be signed without it"
            raise ConfigError(msg)
        self._max_age = max_age
        self._now = now
        self._serializer = URLSafeTimedSerializer(
            list(reversed(keys)),  # there the last one is the newest
            salt=salt,
            signer=_Signer,
            signer_kwargs={"digest_method": hashlib.sha256, "now": now},
        )

    def make(self, payload: object) -> str:
        """The token of a payload that JSON can have."""
        return self._serializer.dumps(payload)

    def read(self, token: str) -> Any:
        """The payload of a token.

        Raises:
            InvalidLink: it is malformed, was altered, or has expired.
        """
        if len(token) > _MAX_TOKEN_LENGTH or not _TOKEN_PATTERN.fullmatch(token):
            raise InvalidLink("malformed")
        try:
            payload, signed_at = self._serializer.loads(token, return_timestamp=True)
        except BadData:
            raise InvalidLink("tampered") from None
        # The library would refuse a token that was signed a second ahead of our clock.
        age = self._now() - signed_at
        if age < -_MAX_CLOCK_SKEW or (self._max_age is not None and age > self._max_age):
            raise InvalidLink("aged")
        return payload


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
