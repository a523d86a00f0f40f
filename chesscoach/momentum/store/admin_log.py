"""What administrative commands did: one document of `admin_log` for each."""

from datetime import datetime

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection


class AdminLog:
    """The collection `admin_log`."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "admin_log")

    async def begin(
        self, log_id: str, command: str, flags: Document, user_id: str | None, now: datetime
    ) -> None:
        """Adds the document of a command that begins."""
        await self._collection.insert_if_new(
            {
                "_id": log_id,
                "command": command,
                "flags": flags,
                "user_id": user_id,
                "outcome": "running",
                "counts": {},
                "backup_file": None,
                "levels_file": None,
                "started_at": now,
                "finished_at": None,
            }
        )

    async def end(
        self, log_id: str, outcome: str, counts: Document, files: Document, now: datetime
    ) -> None:
        """Completes the document of a command; `files` are the backups that it wrote."""
        ended = {"outcome": outcome, "counts": counts, **files, "finished_at": now}
        await self._collection.update_one({"_id": log_id}, {"$set": ended})
