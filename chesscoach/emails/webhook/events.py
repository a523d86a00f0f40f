"""Parses SendGrid's events, after their signature has been checked.

The form is that of the Event Webhook: a JSON array, in which an email's custom arguments stand
beside the event's own fields. Unreadable elements are counted and skipped.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from chesscoach.emails.suppression import Reason, Suppression

KINDS = frozenset(
    (
        *("processed", "deferred", "delivered", "dropped", "bounce", "open", "click"),
        *("spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe", "other"),
    )
)
"""The kinds of events; every unknown kind is `other`."""

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

    `outbox_id` is set for our emails. Every kind shows that SendGrid has the email. `soft` is a
    bounce that does not concern the address.
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


class _Payload(Struct, kw_only=True):
    """An element of a batch; the optional fields can be of any type."""

    event: Annotated[str, Meta(min_length=1, max_length=100)]
    sg_event_id: Annotated[str, Meta(min_length=1, max_length=300)]
    timestamp: Annotated[int, Meta(ge=0, le=4_102_444_800)]
    email: object = None
    outbox_id: object = None
    type: object = None
    reason: object = None
    bounce_classification: object = None


def parse_batch(body: bytes) -> WebhookBatch | None:
    """Parse a body; None if it is not a JSON array."""
    try:
        elements = msgspec.json.decode(body, type=list[Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    events: dict[str, WebhookEvent] = {}
    unreadable = 0
    for element in elements:
        try:
            payload = msgspec.json.decode(element, type=_Payload)
        except (msgspec.DecodeError, RecursionError):
            unreadable += 1
        else:
            events.setdefault(payload.sg_event_id, _parse_event(payload))
    return WebhookBatch(
        events=tuple(events.values()),
        repeated=len(elements) - unreadable - len(events),
        unreadable=unreadable,
    )


def _parse_event(payload: _Payload) -> WebhookEvent:
    outbox_id, address = _text(payload.outbox_id), _text(payload.email)
    soft = payload.event == "bounce" and (
        payload.type != "bounce" or _text(payload.bounce_classification).lower() in _SOFT_BOUNCES
    )
    return WebhookEvent(
        id=payload.sg_event_id,
        kind=payload.event if payload.event in KINDS else "other",
        at=datetime.fromtimestamp(payload.timestamp, UTC),
        address=address if "@" in address and len(address) <= 320 else "",
        outbox_id=outbox_id if 0 < len(outbox_id) <= 500 else None,
        reason=_text(payload.reason)[:200],
        soft=soft,
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
