"""Training sessions as documents."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4


def insert_session(
    db: Any, user_id: str, local_date: str, status: str = "completed", **fields: Any
) -> str:
    """Adds a training session of a local date; returns its id."""
    session = {
        "_id": f"r-{user_id}-{uuid4().hex[:6]}|{local_date}",
        "user_id": user_id,
        "local_date": local_date,
        "tz": "UTC",
        "starts_at": datetime.fromisoformat(f"{local_date}T18:00:00+00:00"),
        "duration_min": 30,
        "status": status,
        "plan_rev": 1,
    }
    db.training_sessions.insert_one(session | fields)
    return str(session["_id"])


def insert_sessions(db: Any, user_id: str, first: str, statuses: Sequence[str]) -> None:
    """Adds a session for each day from a local date on."""
    day = datetime.fromisoformat(first)
    for number, status in enumerate(statuses):
        insert_session(db, user_id, f"{day + timedelta(days=number):%Y-%m-%d}", status)
