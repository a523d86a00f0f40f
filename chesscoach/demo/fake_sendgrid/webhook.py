"""The Event Webhook: what becomes of mails, in signed batches.

The form is that of SendGrid's documentation: custom arguments stand at the top of an event, the
message id has a suffix, and the body is JSON with line breaks that a receiver must not lose, since
the signature is over the timestamp and the very bytes.
"""

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from uuid import uuid4

import aiohttp
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EventKind = Literal[
    "processed", "delivered", "deferred", "bounce", "blocked", "dropped", "spamreport",
    "unsubscribe", "group_unsubscribe", "open", "click",
]  # fmt: skip
"""What can be told of a mail; "blocked" is a bounce of that type, which may be past tomorrow."""

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
_POST_TIMEOUT_S = 10
_EXTRA_FIELDS: dict[str, dict[str, str]] = {
    "delivered": {"response": "250 OK"},
    "deferred": {"response": "451 try again later", "attempt": "1"},
    "bounce": {
        "reason": "550 5.1.1 no such user",
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
    },
    "blocked": {
        "reason": "450 4.2.1 not now",
        "status": "4.2.1",
        "type": "blocked",
        "bounce_classification": "Technical",
    },
    "dropped": {"reason": "Bounced Address", "status": "5.0.0"},
}


class WebhookSender:
    """A signer and poster of events with a key of its own; `key` is the public half."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        public = self._private.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key = base64.b64encode(der).decode()

    def sign(self, body: bytes, timestamp: str | None = None) -> dict[str, str]:
        """The headers of a body; the timestamp is in Unix seconds, now unless it is given."""
        at = str(int(time.time())) if timestamp is None else timestamp
        signature = self._private.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            SIGNATURE: base64.b64encode(signature).decode(),
            TIMESTAMP: at,
        }

    async def post(
        self, url: str, events: Sequence[Mapping[str, Any]], timestamp: str | None = None
    ) -> int:
        """Posts a batch; the status of the reply. Events come again if they are listed again."""
        body = batch(events)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_POST_TIMEOUT_S)) as session,
            session.post(url, data=body, headers=self.sign(body, timestamp)) as response,
        ):
            return response.status


def event(
    kind: EventKind,
    outbox_id: str,
    to: str,
    *,
    message_id: str = "",
    categories: Iterable[str] = (),
    at: float | None = None,
) -> dict[str, Any]:
    """An event about a mail, with an id of its own; to repeat it, list it twice.

    Args:
        kind: what happened.
        outbox_id: the mail's, among its custom arguments; none if empty.
        to: the recipient.
        message_id: what the reply to the request said.
        categories: the mail's.
        at: when it happened, in Unix seconds; now unless it is given.
    """
    told: dict[str, Any] = {
        "email": to,
        "timestamp": int(time.time() if at is None else at),
        "smtp-id": f"<{uuid4().hex[:16]}@ismtpd-1>",
        "event": "bounce" if kind == "blocked" else kind,
        "category": list(categories),
        "sg_event_id": base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("="),
        "sg_message_id": f"{message_id or uuid4().hex[:22]}.recvd-5d8f-1-{uuid4().hex[:8]}.0",
    }
    return told | _EXTRA_FIELDS.get(kind, {}) | ({"outbox_id": outbox_id} if outbox_id else {})


def batch(events: Sequence[Mapping[str, Any]]) -> bytes:
    """The body of a batch, byte for byte in SendGrid's way."""
    return b"[" + b",\r\n".join(msgspec.json.encode(one) for one in events) + b"]\r\n"
