"""SendGrid's events as values; read only after their signature was checked.

The form is that of its Event Webhook: a JSON array, in which custom arguments of a mail stand
beside the event's own fields. What cannot be read is counted and left out.
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
"""The kinds that are told apart."""

_SUPPRESSION_REASONS: dict[str, Reason] = {
    "bounce": "bounce",
    "dropped": "drop",
    "spamreport": "spam_report",
    "unsubscribe": "unsubscribe",
    "group_unsubscribe": "unsubscribe",
}
_SOFT_BOUNCES = ("technical", "content")
"""Bounces of these classes blame a server or the text, not the address; listmonk does the same."""

_ADDRESS_DROP_REASONS = ("bounced", "spam report", "unsubscribed", "invalid")
"""How reasons begin that are about the address …"""
_INVALID_REQUEST_REASON = "invalid smtpapi"
"""… and one that is not."""


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """What has become of a mail to `address` ("" if that is not told); `kind` is one of KINDS.

    `outbox_id` is ours, for mails that are; SendGrid has the mail by then, whatever the kind.
    `soft` is a bounce that says nothing of the address.
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
        """That the address is to get no mail any more, if the event means it."""
        reason = _SUPPRESSION_REASONS.get(self.kind)
        if (self.kind == "bounce" and self.soft) or self.dropped_for_content:
            reason = None
        if reason is None or not self.address:
            return None
        return Suppression(address=self.address, reason=reason, at=self.at, event_id=self.id)

    @property
    def dropped_for_content(self) -> bool:
        """Whether SendGrid did not send a mail for a reason that is not the address."""
        reason = self.reason.lower()
        return self.kind == "dropped" and (
            not reason.startswith(_ADDRESS_DROP_REASONS)
            or reason.startswith(_INVALID_REQUEST_REASON)
        )


class WebhookBatch(Struct, frozen=True, kw_only=True):
    """The events of one request, each id once, and how many others there were."""

    events: tuple[WebhookEvent, ...]
    repeated: int
    unreadable: int


class _Payload(Struct, kw_only=True):
    """An element; the rest of the fields can be of any type."""

    event: Annotated[str, Meta(min_length=1, max_length=100)]
    sg_event_id: Annotated[str, Meta(min_length=1, max_length=300)]
    timestamp: Annotated[int, Meta(ge=0, le=4_102_444_800)]
    email: object = None
    outbox_id: object = None
    type: object = None
    reason: object = None
    bounce_classification: object = None


def parse_batch(body: bytes) -> WebhookBatch | None:
    """The events of a body, or None if it is no array in JSON."""
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
