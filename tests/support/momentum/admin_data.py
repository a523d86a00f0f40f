"""Players with momentum, and the bytes of what is stored."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import CodecOptions, ObjectId
from bson.raw_bson import RawBSONDocument

from tests.conftest import NOON

COUNTERS = ("xp", "weekly_xp", "monthly_xp", "momentum_xp")
EMPTY_ON_PURGE = (
    *("momentum_levels", "momentum_achievements", "user_achievements"),
    *("momentum_streaks", "momentum_events", "momentum_periods", "momentum_state"),
)


def insert_player(db: Any, user_id: str, **fields: Any) -> ObjectId:
    """A user with progress, as the application writes it; fields are those of the progress."""
    db.users.insert_one({"user_id": user_id, "email": f"{user_id}@example.org", "name": user_id})
    document = {
        "_id": ObjectId(), "user_id": user_id, "xp": 300, "level": 3, "current_streak": 4,
        "longest_streak": 9, "last_activity_date": NOON, "weekly_xp": 50, "weekly_key": "2026-W43",
        "monthly_xp": 70, "monthly_key": "2026-10", **fields,
    }  # fmt: skip
    db.user_progress.insert_one(document)
    return ObjectId(document["_id"])


def insert_event(db: Any, user_id: str, ref: str, points: int, **fields: Any) -> None:
    """An award in the ledger, of this week."""
    action = fields.pop("action", "puzzle_solved")
    db.momentum_events.insert_one(
        {
            "_id": f"{action}|{user_id}|{ref}", "user_id": user_id, "action": action, "ref": ref,
            "points": points, "ts": NOON, "local_date": "2026-10-21", "week_key": "2026-W43",
            "month_key": "2026-10", "batch": 1, **fields,
        }
    )  # fmt: skip


def insert_momentum(db: Any, user_id: str = "ann") -> None:
    """Something in every collection of momentum."""
    insert_player(db, user_id)
    insert_event(db, user_id, "p1", 15)
    db.user_achievements.insert_one(
        {"user_id": user_id, "achievement_id": "first_steps", "unlocked_at": NOON}
    )
    db.momentum_streaks.insert_one(
        {
            "_id": f"{user_id}|days", "user_id": user_id, "streak_type": "days", "unit": "day",
            "current": 4, "longest": 9, "last_period": "2026-10-21", "started": "2026-10-18",
        }
    )  # fmt: skip
    db.momentum_periods.insert_one(
        {
            "_id": f"{user_id}|week|2026-W42", "user_id": user_id, "kind": "week", "rank": 1,
            "key": "2026-W42", "points": 40, "planned": 2, "done": 2, "perfect": True,
        }
    )  # fmt: skip


def digest(db: Any, *names: str) -> str:
    """The bytes of all documents of collections, by default of all but the log and the leases."""
    hashed = hashlib.sha256()
    raw = CodecOptions(document_class=RawBSONDocument)
    for name in names or sorted(db.list_collection_names()):
        if names or name not in ("admin_log", "job_leases"):
            for document in db.get_collection(name, codec_options=raw).find().sort("_id"):
                hashed.update(name.encode() + document.raw)
    return hashed.hexdigest()


@contextmanager
def renewed_lease(db: Any) -> Iterator[None]:
    """The lease of the checks, held and renewed as another process does it."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(0.1):
            expires_at = datetime.now(UTC) + timedelta(seconds=3)
            db.job_leases.update_one({"_id": "momentum"}, {"$set": {"expires_at": expires_at}})

    held = {
        "owner": "another", "fence": 7, "expires_at": datetime.now(UTC) + timedelta(seconds=3),
        "holder": {"run_id": "momentum:x", "host": "h", "pid": 1},
    }  # fmt: skip
    db.job_leases.update_one({"_id": "momentum"}, {"$set": held}, upsert=True)
    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()


def only_backup(folder: Path) -> Path:
    """The backup in a folder."""
    (path,) = folder.glob("momentum_backup_*.json")
    return path
