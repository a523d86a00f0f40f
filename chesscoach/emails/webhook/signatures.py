"""Checks SendGrid's signature of a batch: ECDSA over the timestamp and the body's bytes.

SendGrid's library reads the key. It takes the body as text only, so the check itself is here. A
body must be checked before it is parsed. A timestamp is valid for a day, because SendGrid repeats
a batch that was not accepted, perhaps with the old signature. The events' ids identify what comes
twice in that time.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

from chesscoach.errors import ConfigError, InvalidSignature

SIGNATURE: str = EventWebhookHeader.SIGNATURE
TIMESTAMP: str = EventWebhookHeader.TIMESTAMP
"""The names of the two headers."""

_TIMESTAMP_PATTERN = re.compile(r"\d{1,11}", re.ASCII)
_PEM_LINE_PATTERN = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----")
_MAX_AGE = timedelta(hours=24)
_MAX_CLOCK_SKEW = timedelta(minutes=5)


class EventSignatures:
    """Checks the signatures of batches.

    Args:
        events_key: SendGrid's verification key, in base64 or PEM.
        now: the clock.

    Raises:
        ConfigError: the key is invalid.
    """

    def __init__(self, events_key: str, now: Callable[[], datetime]) -> None:
        self._key = _public_key(events_key)
        self._now = now

    def check(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
        """Accept a body that SendGrid has signed within the last day.

        Raises:
            InvalidSignature: it has not.
        """
        if not signature or not timestamp:
            raise InvalidSignature("a header is missing")
        if not _TIMESTAMP_PATTERN.fullmatch(timestamp):
            raise InvalidSignature("the timestamp is not a number of seconds")
        age = self._now() - datetime.fromtimestamp(int(timestamp), UTC)
        if not -_MAX_CLOCK_SKEW <= age <= _MAX_AGE:
            raise InvalidSignature("the timestamp is too old or ahead of our clock")
        try:
            decoded = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidSignature("the signature is not base64") from None
        try:
            self._key.verify(decoded, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        except exceptions.InvalidSignature:
            raise InvalidSignature("the signature is not the body's") from None


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Read a key in base64 or PEM; line breaks may be missing, or written as a backslash and n."""
    lines = _PEM_LINE_PATTERN.sub("", text.replace("\\r", "\n").replace("\\n", "\n"))
    try:
        key = EventWebhook("".join(lines.split())).public_key
    except Exception:  # noqa: BLE001  # each kind of bad key fails in its own way
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        msg = "emails.sendgrid.events_key: not a verification key of SendGrid's Event Webhook"
        raise ConfigError(msg)
    return key
