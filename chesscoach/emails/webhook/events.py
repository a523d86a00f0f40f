"""Parses SendGrid's events, after their signature has been checked.

The form is that of the Event Webhook: a JSON array, in which an email's custom arguments stand
beside the event's own fields. An event needs only its kind: its effects can be applied twice. What
cannot be read costs its field, or else its element, which is counted and skipped.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from chesscoach.emails.suppression import Reason, Suppression
from chesscoach.emails.webhook.json_elements import parse_elements
from chesscoach.mongo import timestamps

KINDS = frozenset(
    (
        *("processed", "deferred", "delivered", "dropped", "bounce", "open", "click"),
        *("spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe", "other"),
    )
)
"""The kinds of events; every unknown kind is `other`."""

_MAX_ID_LENGTH = 300
_MAX_TIMESTAMP = 4_102_444_800
"""Seconds: the year 2100."""

_SUPPRESSION_REASONS: dict[str, Reason] = {
    "bounce": "bounce",
    "dropped": "drop",
    "spamreport": "spam_report",
    "unsubscribe": "unsubscribe",
    "group_unsubscribe": "unsubscribe",
}
_SOFT_BOUNCES = ("technical", "content")
"""The classes of bounces that a server or the text caused, not the address (as in listmonk)."""

_ADDRESS_DROP_REASONS = ("bounced", "spam report", "unsubscribed", "invalid")
"""How the reasons begin that concern the address …"""
_INVALID_REQUEST_REASON = "invalid smtpapi"
"""… and one reason that does not."""


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """An event of an email to `address` ("" if it is missing); `kind` is one of KINDS.

    `id` identifies what comes twice: SendGrid's own, or a digest of an event without one. `at` is
    the time of its arrival if SendGrid gives none. `outbox_id` is set for our emails. Every kind
    shows that SendGrid has the email. `soft` is a bounce that does not concern the address.
    """

    id: str
    kind: str
    at: datetime
    address: str
    outbox_id: str | None = None
    reason: str = ""
    soft: bool = False

    @property
    def suppression(self) -> Suppression | None:
        """The suppression of the address that follows from the event, if any."""
        reason = _SUPPRESSION_REASONS.get(self.kind)
        if (self.kind == "bounce" and self.soft) or self.dropped_for_content:
            reason = None
        if reason is None or not self.address:
            return None
        return Suppression(address=self.address, reason=reason, at=self.at, event_id=self.id)

    @property
    def dropped_for_content(self) -> bool:
        """Whether SendGrid dropped the email for a reason that is not the address."""
        reason = self.reason.lower()
        return self.kind == "dropped" and (
            not reason.startswith(_ADDRESS_DROP_REASONS)
            or reason.startswith(_INVALID_REQUEST_REASON)
        )


class WebhookBatch(Struct, frozen=True, kw_only=True):
    """The events of one request, each id once, and the number of the others."""

    events: tuple[WebhookEvent, ...]
    repeated: int
    unreadable: int


def parse_batch(body: bytes, received_at: datetime) -> WebhookBatch | None:
    """Parse a body; None if it is not a JSON array."""
    elements = parse_elements(body)
    if elements is None:
        return None
    events: dict[str, WebhookEvent] = {}
    unreadable = 0
    for element in elements:
        event = _parse_event(element, received_at) if isinstance(element, dict) else None
        if event is None:
            unreadable += 1
        else:
            events.setdefault(event.id, event)
    return WebhookBatch(
        events=tuple(events.values()),
        repeated=len(elements) - unreadable - len(events),
        unreadable=unreadable,
    )


def _parse_event(fields: Mapping[str, Any], received_at: datetime) -> WebhookEvent | None:
    kind = _text(fields.get("event"))
    if not kind:
        return None
    event_id = _text(fields.get("sg_event_id"))
    if not 0 < len(event_id) <= _MAX_ID_LENGTH:
        try:
            event_id = f"sha256:{_digest(fields)}"
        except RecursionError:
            return None
    outbox_id, address = _text(fields.get("outbox_id")), _text(fields.get("email"))
    soft = kind == "bounce" and (
        fields.get("type") != "bounce"
        or _text(fields.get("bounce_classification")).lower() in _SOFT_BOUNCES
    )
    return WebhookEvent(
        id=event_id,
        kind=kind if kind in KINDS else "other",
        at=_instant(fields.get("timestamp")) or received_at,
        address=address if "@" in address and len(address) <= 320 else "",
        outbox_id=outbox_id if 0 < len(outbox_id) <= 500 else None,
        reason=_text(fields.get("reason"))[:200],
        soft=soft,
    )


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _instant(value: object) -> datetime | None:
    """The instant of a timestamp: seconds since 1970, as a number or text, or ISO 8601."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return timestamps.parse_instant(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) and 0 < value <= _MAX_TIMESTAMP:
        return datetime.fromtimestamp(value, UTC)
    return None


def _text(value: object) -> str:
    """A text without surrounding space; empty if it is not a text in Unicode."""
    try:
        return value.strip() if isinstance(value, str) and value.encode() else ""
    except UnicodeEncodeError:  # half of a surrogate pair
        return ""
