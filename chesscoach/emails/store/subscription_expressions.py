"""Expressions over `users` that decide who is subscribed: every query of the emails uses them.

`email_notifications` is a dict with a boolean for each kind, a bare boolean for all kinds, or
missing. Only an exact `true` subscribes. `email_opt_out` overrides it, in any truthy form. Queries
would also look into arrays, and so these are expressions.
"""

from chesscoach.emails.recipient import EmailKind
from chesscoach.mongo.client import Document
from chesscoach.players.store import expressions

_NOTIFICATIONS_FIELD = "$email_notifications"


def is_subscribed(kind: EmailKind, *, default_opt_in: bool) -> Document:
    """Whether a user gets a kind of emails; the default is for users without a preference."""
    return {"$and": [_is_user(), _wants(kind, default_opt_in)]}


def lacks_id(kind: EmailKind, *, default_opt_in: bool) -> Document:
    """Whether a user would get a kind of emails, and has a `user_id` that is not a text."""
    return {"$and": [{"$not": [_is_user()]}, _wants(kind, default_opt_in)]}


def lacks_preference(kind: EmailKind) -> Document:
    """Whether the default decides about a user."""
    missing = {"$eq": [{"$ifNull": [_preference(kind), None]}, None]}
    return {"$and": [_is_user(), missing, {"$not": [_has_opted_out()]}]}


def _wants(kind: EmailKind, default_opt_in: bool) -> Document:
    preference = {"$ifNull": [_preference(kind), default_opt_in]}
    return {"$and": [{"$eq": [preference, True]}, {"$not": [_has_opted_out()]}]}


def _is_user() -> Document:
    return {"$eq": [{"$type": "$user_id"}, "string"]}


def _preference(kind: EmailKind) -> Document:
    return expressions.if_type(
        _NOTIFICATIONS_FIELD, "object", f"{_NOTIFICATIONS_FIELD}.{kind}", _NOTIFICATIONS_FIELD
    )


def _has_opted_out() -> Document:
    return expressions.truthy("$email_opt_out")
