"""A recipient, and the kinds of emails that the application's users can subscribe to."""

from typing import Literal

from msgspec import Struct

EmailKind = Literal["weekly_summary"]
"""A kind of email: its name in `email_notifications`, in the outbox and in links."""


class Recipient(Struct, frozen=True, kw_only=True):
    """A user as a recipient; `timezone` and `language` are unchecked and may be missing."""

    user_id: str
    email: str
    name: str = ""
    timezone: str | None = None
    language: str | None = None
