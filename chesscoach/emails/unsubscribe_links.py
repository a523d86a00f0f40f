"""Links that act for whoever holds them: signed, dated, and for one purpose.

A link in a mail is pressed by mail programs too, without cookie or login, so the link itself shows
who is meant. Its token says nothing else. Each purpose has a salt of its own, so that a token for
one is none for another.
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
"""The clock of the machine that signed may be so far ahead of ours."""


class UnsubscribeRequest(Struct, frozen=True, kw_only=True):
    """Who wants which mail no more."""

    user_id: str
    kind: EmailKind


class UnsubscribeLinks:
    """Makes links and reads what they hold.

    Args:
        public_url: where our public listener is reached from outside.
        keys: the newest, which signs, first; then older ones whose links still count.
        max_age_days: so long a link counts.
        now: the clock.

    Raises:
        ConfigError: there is no key.
    """

    def __init__(
        self, public_url: str, keys: Sequence[str], max_age_days: int, now: Callable[[], datetime]
    ) -> None:
        if not keys:
            msg = "emails.signing_key: it is empty, and links cannot be signed without it"
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
        """The URL under which a user gets rid of a kind of mail."""
        token = self._unsubscribe.dumps([user_id, kind])
        return f"{self._base}/unsubscribe/{token}"

    def parse(self, token: str) -> UnsubscribeRequest:
        """What a token of `unsubscribe` says.

        Raises:
            InvalidLink: it is none of ours, was altered, or is too old.
        """
        if len(token) > _MAX_TOKEN_LENGTH or not _TOKEN_PATTERN.fullmatch(token):
            raise InvalidLink("malformed")
        try:
            payload, signed_at = self._unsubscribe.loads(token, return_timestamp=True)
        except BadData:
            raise InvalidLink("tampered") from None
        # Not left to the library, which refuses what was signed a second ahead of our clock.
        if not -_MAX_CLOCK_SKEW <= self._now() - signed_at <= self._max_age:
            raise InvalidLink("aged")
        try:
            user_id, kind = msgspec.convert(payload, tuple[str, EmailKind])
        except msgspec.ValidationError:  # by another version of ours: the signature was right
            raise InvalidLink("malformed") from None
        return UnsubscribeRequest(user_id=user_id, kind=kind)


class _Signer(TimestampSigner):
    """The library's, by our clock, and with one spelling for each signature."""

    def __init__(self, *args: Any, now: Callable[[], datetime], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now().timestamp())

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        # The last character of base64 has bits to spare, and the library ignores them.
        if not super().verify_signature(value, sig):
            return False
        given = sig if isinstance(sig, bytes) else sig.encode()
        return base64_encode(base64_decode(given)) == given
