"""SendGrid's side: events, and a key pair that signs batches of them."""

import base64
import json
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chesscoach.emails.webhook.signatures import SIGNATURE, TIMESTAMP
from tests.conftest import NOON

NOON_SECONDS = int(NOON.timestamp())


def public_key_text(public_key: Any) -> str:
    """A public key as SendGrid shows it: DER in base64."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


class SigningKey:
    """A key pair; `public` is what goes into `events_key`."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = public_key_text(self._private.public_key())

    def sign(self, body: bytes, at: datetime | str) -> dict[str, str]:
        """The two headers for a body that is sent at an instant."""
        timestamp = at if isinstance(at, str) else str(int(at.timestamp()))
        signature = self._private.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}


def request_body(*events: object) -> bytes:
    """The body of a request, with the line end after it that SendGrid's have."""
    return json.dumps(events).encode() + b"\r\n"


def event_payload(kind: str, sg_event_id: str, **more: object) -> dict[str, object]:
    """An event of noon, about Ann's email."""
    return {
        "email": "Ann@Example.org",
        "timestamp": NOON_SECONDS,
        "event": kind,
        "sg_event_id": sg_event_id,
        "sg_message_id": "m.filter0001.1",
        "smtp-id": "<m@example.org>",
        **more,
    }
