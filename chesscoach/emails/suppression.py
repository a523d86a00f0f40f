"""Addresses that get no mail any more."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

Reason = Literal["bounce", "spam_report", "unsubscribe", "drop"]


class Suppression(Struct, frozen=True, kw_only=True):
    """An address and why it gets no mail; `event_id` is the provider's event that told of it."""

    address: str
    reason: Reason
    at: datetime
    event_id: str | None = None
