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

_AGAINST: dict[str, Reason] = {
    "bounce": "bounce",
    "dropped": "drop",
    "spamreport": "spam_report",
    "unsubscribe": "unsubscribe",
    "group_unsubscribe": "unsubscribe",
}
_SOFT = ("technical", "content")
"""Bounces of these classes blame a server or the text, not the address; listmonk does the same."""

_DROPS = ("bounced", "spam report", "unsubscribed", "invalid")
"""How reasons begin that are about the address …"""
_OWN_FAULT = "invalid smtpapi"
"""… and one that is not."""


class Event(Struct, frozen=True, kw_only=True):
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
        reason = _AGAINST.get(self.kind)
        if (self.kind == "bounce" and self.soft) or self.drop_is_ours:
            reason = None
        if reason is None or not self.address:
            return None
        return Suppression(address=self.address, reason=reason, at=self.at, event_id=self.id)

    @property
    def drop_is_ours(self) -> bool:
        """Whether SendGrid did not send a mail for a reason that is not the address."""
        reason = self.reason.lower()
        return self.kind == "dropped" and (
            not reason.startswith(_DROPS) or reason.startswith(_OWN_FAULT)
        )


class Batch(Struct, frozen=True, kw_only=True):
    """The events of one request, each id once, and how many others there were."""

    events: tuple[Event, ...]
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


def read(body: bytes) -> Batch | None:
    """The events of a body, or None if it is no array in JSON."""
    try:
        elements = msgspec.json.decode(body, type=list[Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    events: dict[str, Event] = {}
    unreadable = 0
    for element in elements:
        try:
            payload = msgspec.json.decode(element, type=_Payload)
        except (msgspec.DecodeError, RecursionError):
            unreadable += 1
        else:
            events.setdefault(payload.sg_event_id, _event(payload))
    return Batch(
        events=tuple(events.values()),
        repeated=len(elements) - unreadable - len(events),
        unreadable=unreadable,
    )


def _event(payload: _Payload) -> Event:
    outbox_id, address = _text(payload.outbox_id), _text(payload.email)
    soft = payload.event == "bounce" and (
        payload.type != "bounce" or _text(payload.bounce_classification).lower() in _SOFT
    )
    return Event(
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
