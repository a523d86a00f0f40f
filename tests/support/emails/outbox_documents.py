"""Emails in the outbox of a database, and whether a command changes it."""

import hashlib
from datetime import timedelta
from typing import Any

from bson import encode

from tests.conftest import NOON

WEEK = "2026-W42"
"""The last one that is over at NOON, a Wednesday of W43."""


def insert_email(db: Any, user_id: str, state: str, week: str = WEEK, **fields: Any) -> str:
    """A mail in the outbox."""
    key = f"weekly_summary:{user_id}:{week}"
    db.email_outbox.insert_one(
        {
            "_id": key, "kind": "weekly_summary", "user_id": user_id, "week": week, "state": state,
            "reason": None, "attempts": 1, "resends": 0, "fence": 1, "claim": "c",
            "created_at": NOON - timedelta(hours=3), "claimed_at": NOON - timedelta(hours=2),
            "finished_at": None, **fields,
        }
    )  # fmt: skip
    return key


def database_digest(db: Any) -> str:
    """All that stands in the database."""
    found = hashlib.sha256()
    for name in sorted(db.list_collection_names()):
        for document in db[name].find().sort("_id"):
            found.update(encode(document))
    return found.hexdigest()
