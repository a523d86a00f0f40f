"""The suppression of an address: it gets no further emails."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

Reason = Literal["bounce", "spam_report", "unsubscribe", "drop", "operator"]


class Suppression(Struct, frozen=True, kw_only=True):
    """An address and why it gets no emails; `event_id` is the provider's event, if any."""

    address: str
    reason: Reason
    at: datetime
    event_id: str | None = None
