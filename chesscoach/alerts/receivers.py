"""The receivers of messages: a webhook, signed as Standard Webhooks 1.0 says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import aiohttp
import msgspec

from chesscoach.alerts.alert import Message
from chesscoach.alerts.apprise_receiver import AppriseReceiver, check_urls
from chesscoach.alerts.receiver_request import request
from chesscoach.config import AlertSettings


class Receiver(Protocol):
    """A receiver. `name` identifies it in the database and in logs, and has no secret."""

    name: str

    async def send(self, message: Message, at: datetime) -> None:
        """Sends a message at an instant.

        Raises:
            AlertRefused: it was not accepted.
        """


class Webhook:
    """Posts a message as JSON; `keys` sign it, all of them, so that a key can change."""

    def __init__(self, session: aiohttp.ClientSession, url: str, keys: Sequence[bytes]) -> None:
        self.name = "webhook"
        self._session = session
        self._url = url
        self._keys = keys

    async def send(self, message: Message, at: datetime) -> None:
        """Posts the message, signed for this instant: receivers refuse what is 5 minutes old.

        Raises:
            AlertRefused: it was not accepted.
        """
        body = msgspec.json.encode(message)
        headers = webhook_headers(message.id, int(at.timestamp()), body, self._keys)
        headers["Content-Type"] = "application/json"
        await request(self._session, "POST", self._url, body, headers)


def webhook_headers(
    message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]
) -> dict[str, str]:
    """The headers that identify and sign a webhook; one signature per key, separated by spaces."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }


async def open_receivers(settings: AlertSettings, session: aiohttp.ClientSession) -> list[Receiver]:
    """The receivers that are configured.

    Raises:
        ConfigError: apprise is not installed, or cannot use a URL.
    """
    await check_urls(settings.apprise_urls)
    receivers: list[Receiver] = [AppriseReceiver(url) for url in settings.apprise_urls]
    if settings.webhook_url:
        receivers.append(Webhook(session, settings.webhook_url, settings.webhook_keys))
    return receivers
