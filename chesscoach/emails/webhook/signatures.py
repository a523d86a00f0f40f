"""Checks SendGrid's signature of a batch: ECDSA over the timestamp and the body's bytes.

A body must be checked before it is parsed. A timestamp is valid for a day, because SendGrid repeats
a batch that was not accepted, perhaps with the old signature. The events' ids identify what comes
twice in that time.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

from chesscoach.errors import ConfigError, InvalidSignature

SIGNATURE: str = EventWebhookHeader.SIGNATURE
TIMESTAMP: str = EventWebhookHeader.TIMESTAMP
"""The names of the two headers."""

_TIMESTAMP_PATTERN = re.compile(r"\d{1,11}", re.ASCII)
_MAX_AGE = timedelta(hours=24)
_MAX_CLOCK_SKEW = timedelta(minutes=5)


class EventSignatures:
    """Checks the signatures of batches.

    Args:
        events_key: SendGrid's verification key, in base64.
        now: the clock.

    Raises:
        ConfigError: the key is invalid.
    """

    def __init__(self, events_key: str, now: Callable[[], datetime]) -> None:
        self._webhook = _webhook("".join(events_key.split()))
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
            # The library ignores invalid base64, or fails.
            base64.b64decode(signature, validate=True)
            # The library needs text and encodes it again to the same bytes.
            text = body.decode("utf-8", "strict")
        except (binascii.Error, ValueError):
            raise InvalidSignature(
                "the signature is not base64, or the body is not UTF-8"
            ) from None
        if not self._webhook.verify_signature(text, signature, timestamp):
            raise InvalidSignature("the signature is not the body's")


def _webhook(key: str) -> EventWebhook:
    try:
        webhook = EventWebhook(key)
        # The library reads a key of another kind, but cannot use it.
        usable = webhook.verify_signature("", "", "") is False
    except Exception:  # noqa: BLE001  # each kind of bad key fails in its own way
        usable = False
    if not usable:
        msg = "emails.sendgrid.events_key: it is not a verification key of SendGrid's Event Webhook"
        raise ConfigError(msg)
    return webhook
