"""The players: users with a linked account, and those with progress.

Of two progress documents of a player, the oldest counts.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from chesscoach import log
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.players.store.users import LINKED_FILTER
from chesscoach.training.player import StoredPlayer
from chesscoach.training.store import numbers
from chesscoach.worker.shard import ALL_USERS, Shard

_HAS_TEXT_ID = values.of_type("user_id", "string")
_NUMBERS = ("xp", "level", "current_streak")
_PROGRESS_FIELDS = ("user_id", "tz", "tz_source", *_NUMBERS)
_IDS_LOGGED = 3


class Players:
    """`users` and `user_progress`."""

    def __init__(self, database: Database) -> None:
        self._users = MongoCollection(database, "users")
        self._progress = MongoCollection(database, "user_progress")

    async def pages(
        self, size: int, user_id: str | None = None, shard: Shard = ALL_USERS
    ) -> AsyncIterator[list[StoredPlayer]]:
        """Pages of a shard's players in the order of their ids, or only one user."""
        if user_id is not None:
            if found := await self.find([user_id]):
                yield found
            return
        size, after = shard.page_size_for(size), ""
        while True:
            ids, documents, last = await self._page(after, size)
            page = [key for key in ids if shard.contains(key)]
            if page:
                yield await self._with_timezones(page, documents)
            if last is None:
                return
            after = last

    async def find(self, user_ids: Sequence[str]) -> list[StoredPlayer]:
        """Those of some ids who are users, or have progress."""
        query = {"user_id": {"$in": list(user_ids)}, **_HAS_TEXT_ID}
        fields = dict.fromkeys(_PROGRESS_FIELDS, 1)
        documents = await self._progress.find(query, fields, sort=[("user_id", 1), ("_id", 1)])
        users = await self._users.find(query, {"_id": 0, "user_id": 1})
        ids = {document["user_id"] for document in (*users, *documents)}
        return await self._with_timezones(sorted(ids), documents)

    async def exists(self, user_id: str) -> bool:
        """Whether the application has a user, or progress of one."""
        query = {"user_id": user_id, **_HAS_TEXT_ID}
        found = await self._users.find_one(query, {"_id": 1})
        return found is not None or await self._progress.find_one(query, {"_id": 1}) is not None

    async def timezones(self, user_ids: Collection[str]) -> dict[str, Any]:
        """The stored time zones of some users, unchecked; without those that do not exist."""
        if not user_ids:
            return {}
        query = {"user_id": {"$in": list(user_ids)}, **_HAS_TEXT_ID}
        users = await self._users.find(query, {"_id": 0, "user_id": 1, "timezone": 1})
        return {user["user_id"]: user.get("timezone") for user in users}

    async def _page(self, after: str, size: int) -> tuple[list[str], list[Document], str | None]:
        """The ids of a page, progress documents, and the last id; None if no page follows."""
        query = {"user_id": {"$gt": after}, **_HAS_TEXT_ID}
        users = await self._users.find(
            {**query, "$or": LINKED_FILTER},
            {"_id": 0, "user_id": 1},
            sort=[("user_id", 1)],
            limit=size,
        )
        documents = await self._progress.find(
            query,
            dict.fromkeys(_PROGRESS_FIELDS, 1),
            sort=[("user_id", 1), ("_id", 1)],
            limit=size,
        )
        full = [page[-1]["user_id"] for page in (users, documents) if len(page) == size]
        last = min(full, default=None)
        ids = {document["user_id"] for document in (*users, *documents)}
        return sorted(key for key in ids if last is None or key <= last), documents, last

    async def _with_timezones(
        self, user_ids: Sequence[str], documents: Sequence[Document]
    ) -> list[StoredPlayer]:
        """Players with their time zones; the first document of each has the progress."""
        progress: dict[str, Document] = {}
        for document in documents:
            progress.setdefault(document["user_id"], document)
        _log_unreadable([progress[key] for key in user_ids if key in progress])
        timezones = await self.timezones(user_ids)
        return [_to_player(key, timezones, progress.get(key, {})) for key in user_ids]


def _log_unreadable(documents: Sequence[Document]) -> None:
    """Names the players whose progress has something else in place of a number."""
    odd = [document for document in documents if _is_odd(document)]
    if odd:
        log.get_logger().warning(
            "documents_unreadable",
            collection="user_progress",
            count=len(odd),
            ids=[str(document["_id"])[:80] for document in odd[:_IDS_LOGGED]],
            users=[document["user_id"][:80] for document in odd[:_IDS_LOGGED]],
        )


def _is_odd(progress: Mapping[str, Any]) -> bool:
    return any(numbers.is_odd(progress.get(name)) for name in _NUMBERS)


def _to_player(
    user_id: str, timezones: Mapping[str, Any], progress: Mapping[str, Any]
) -> StoredPlayer:
    timezone = timezones.get(user_id)
    if timezone is None and progress.get("tz_source") == "user":
        timezone = progress.get("tz")  # momentum's copy, where the user is gone
    return StoredPlayer(
        user_id=user_id,
        timezone=timezone,
        xp=numbers.count(progress.get("xp"), 0),
        level=numbers.count(progress.get("level"), 1),
        streak=numbers.count(progress.get("current_streak"), 0),
        has_odd_progress=_is_odd(progress),
    )
