"""Sync accounts: what we know of each linked account, and which are due.

`_id` is `{platform}:{name}`; an account that several users link has one document. All queries go by
key in pages, so no server cursor stays open. Documents are written under the fence of their
source's lane: a holder that lost it cannot move a cursor. `number` is the hash of the user who
linked the account first, and says in which shard the account is checked.
"""

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from pymongo import UpdateOne

from chesscoach.errors import LeaseLost
from chesscoach.mongo import readable
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.store import account_documents
from chesscoach.sync.store.account_documents import (
    LAST_DATE,
    AccountDocument,
    AccountPage,
    AccountQuery,
    AccountState,
)
from chesscoach.worker.shard import ALL_USERS, Shard, shard_hash

PAGE_SIZE = 300
_LINKS_PAGE_SIZE = 1000
_MAX_ERRORS = 5
_NAME = "sync_accounts"
_SAMPLE_SIZE = 20
"""Last errors of an account that are kept."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Accounts:
    """The linked accounts of a database."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, _NAME)

    async def find_for_users(
        self, keys: Sequence[str], user_ids: Sequence[str], shard: Shard = ALL_USERS
    ) -> AccountPage:
        """Some accounts, and all to which some users are linked, as far as the shard has them."""
        find_by_name: Document = {
            "$or": [{"_id": {"$in": keys}}, {"links.user_id": {"$in": user_ids}}]
        }
        query = {**find_by_name, **account_documents.shard_filter(shard)}
        documents = await self._collection.find(query)
        return _page(documents)

    async def links(
        self, user_id: str | None = None, shard: Shard = ALL_USERS
    ) -> AsyncIterator[list[tuple[str, str]]]:
        """Pages of (account key, user): the links of a shard's accounts, or those of one user."""
        after = ""
        while page := await self._links_page(user_id, shard, after):
            yield [
                (document["_id"], link["user_id"])
                for document in page
                for link in document["links"]
                if isinstance(link, dict)
                and type(link.get("user_id")) is str
                and user_id in (None, link["user_id"])
            ]
            after = page[-1]["_id"]

    async def _links_page(self, user_id: str | None, shard: Shard, after: str) -> list[Document]:
        query: Document = {
            "_id": {"$gt": after},
            "links.0": {"$exists": True},
            **account_documents.shard_filter(shard),
        }
        if user_id is not None:
            query["links.user_id"] = user_id
        return await self._collection.find(
            query, {"links.user_id": 1}, sort=[("_id", 1)], limit=_LINKS_PAGE_SIZE
        )

    async def ensure(
        self,
        new: Iterable[Account],
        joining: Iterable[tuple[str, AccountLink]],
        leaving: Iterable[tuple[str, str]],
        joined_at: datetime,
    ) -> list[str]:
        """Inserts accounts, adds links, removes links (key, user).

        A new account is due since it was made. One that a user joins is due at once. If another
        process has inserted an account meanwhile, its users join it. Returns the accounts that a
        unique index of another program refuses.
        """
        accounts = list(new)
        insertions = await self._collection.insert_each(
            [
                {
                    **account_documents.document_fields(account),
                    "_id": account.key,
                    "number": shard_hash(account.links[0].user_id) if account.links else None,
                    "due_at": account.created_at,
                    "fence": 0,
                }
                for account in accounts
            ]
        )
        joined = [
            (account.key, replace(link, backfilled=False))
            for account, insertion in zip(accounts, insertions, strict=True)
            if insertion == "existing"
            for link in account.links
        ]
        updates = [
            account_documents.add_link_update(key, link, joined_at)
            for key, link in (*joining, *joined)
        ]
        updates += [
            UpdateOne({"_id": key}, {"$pull": {"links": {"user_id": user_id}}})
            for key, user_id in leaving
        ]
        await self._collection.bulk_update(updates)
        return [
            account.key
            for account, insertion in zip(accounts, insertions, strict=True)
            if insertion == "refused"
        ]

    async def respell(self, names: Iterable[tuple[str, str, str]]) -> None:
        """Changes how users spell the name of an account that they link (key, user, name)."""
        await self._collection.bulk_update(
            [
                UpdateOne({"_id": key, "links.user_id": user_id}, {"$set": {"links.$.name": name}})
                for key, user_id, name in names
            ]
        )

    async def due_accounts(self, wanted: AccountQuery) -> AsyncIterator[AccountPage]:
        """Pages of the accounts that are wanted, stalest first."""
        after: tuple[datetime, str] | None = None
        left = wanted.max_accounts or sys.maxsize
        while left and (page := await self._due_page(wanted, after, min(left, PAGE_SIZE))):
            yield _page(page)
            after = (page[-1]["due_at"], page[-1]["_id"])
            left -= len(page)

    async def _due_page(
        self, wanted: AccountQuery, after: tuple[datetime, str] | None, size: int
    ) -> list[Document]:
        query = account_documents.due_query(wanted)
        if after is not None:
            at, key = after
            query["$or"] = [{"due_at": {"$gt": at}}, {"due_at": at, "_id": {"$gt": key}}]
        return await self._collection.find(query, sort=[("due_at", 1), ("_id", 1)], limit=size)

    async def count(self, wanted: AccountQuery) -> int:
        """How many accounts `due` would yield."""
        due = await self._collection.count(account_documents.due_query(wanted))
        return min(due, wanted.max_accounts or due)

    async def count_malformed(self) -> int:
        """How many documents no run selects, because a field that runs go by has a wrong type."""
        return await readable.count_unreadable(
            self._collection, account_documents.malformed_query()
        )

    async def save(self, saved: Sequence[AccountState], fence: int) -> None:
        """Moves cursors; to be called after the writes that they stand for.

        Raises:
            LeaseLost: another holder of the lane has written one of these documents since.
        """
        updates = [account_documents.save_update(item, fence) for item in saved]
        if await self._collection.bulk_update(updates) < len(saved):
            msg = "a newer holder of the lane has moved these cursors"
            raise LeaseLost(msg)

    async def record_failure(
        self, key: str, error: str, at: datetime, *, patience: int, aside_until: datetime
    ) -> None:
        """Notes why an account could not be checked; its cursor stays.

        It is due at once, after all that are due already; after `patience` failures in a row no
        sooner than `aside_until`.
        """
        failures = {"$add": [{"$ifNull": ["$failures", 0]}, 1]}
        errors = {
            "$concatArrays": [
                {"$ifNull": ["$errors", []]},
                [{"error": {"$literal": error}, "at": at}],
            ]
        }
        spent = {"$gte": ["$failures", patience]}
        await self._collection.update_one(
            {"_id": key},
            [
                {"$set": {"failures": failures, "errors": {"$slice": [errors, -_MAX_ERRORS]}}},
                {"$set": {"due_at": {"$cond": [spent, aside_until, at]}}},
            ],
        )

    async def find_by_name(self, name: str) -> list[AccountDocument]:
        """The accounts of a name on either source or of a key, in any case, or of a user_id."""
        lower = name.lower()
        keys = [lower, *(f"{source}:{lower}" for source in SOURCES)]
        query = {"$or": [{"_id": {"$in": keys}}, {"links.user_id": name}]}
        documents = await self._collection.find(query, sort=[("_id", 1)])
        return readable.convert_readable(_NAME, documents, account_documents.to_account_document)

    async def page(
        self, platform: Platform | None, status: str | None, after: str, limit: int
    ) -> tuple[list[AccountDocument], str | None]:
        """Accounts in order of their keys, after one: of a source, in a status, or all.

        The second value is the key that the next page comes after; None on the last page.
        """
        keys = {"$gt": after}
        if platform is not None:
            keys = {"$gt": max(after, f"{platform}:"), "$lt": f"{platform};"}
        query: Document = {"_id": keys} | ({"standing": status} if status is not None else {})
        found = await self._collection.find(query, sort=[("_id", 1)], limit=limit + 1)
        following = str(found[limit - 1]["_id"]) if len(found) > limit else None
        convert = account_documents.to_account_document
        return readable.convert_readable(_NAME, found[:limit], convert), following

    async def count_by_status(self) -> dict[tuple[str, str], int]:
        """The number of accounts of each source in each status."""
        groups = await self._collection.aggregate(
            [
                {"$match": {"platform": {"$in": list(SOURCES)}}},
                {"$sort": {"platform": 1, "standing": 1}},
                {"$group": {"_id": ["$platform", "$standing"], "n": {"$sum": 1}}},
            ]
        )
        return {(str(group["_id"][0]), str(group["_id"][1])): group["n"] for group in groups}

    async def any_healthy(self, platform: Platform) -> Account | None:
        """A linked account of a source whose last check did not fail; None if there is none.

        The one that is due last, because its player is the least active.
        """
        query: Document = {
            "platform": platform,
            "links.0": {"$exists": True},
            "standing": "active",
            "failures": {"$not": {"$gt": 0}},
        }
        documents = await self._collection.find(query, sort=[("due_at", -1)], limit=_SAMPLE_SIZE)
        healthy = _page(documents).accounts
        return healthy[0] if healthy else None

    async def remove(self, key: str, fence: int) -> None:
        """Deletes an account whose users have gone on to another."""
        await self._collection.delete_one({"_id": key, "fence": {"$lte": fence}})

    async def oldest_success(self, user_ids: Sequence[str]) -> dict[str, datetime]:
        """For users whose every account was checked: the oldest of their last checks."""
        # No value of another type is between two dates.
        is_checked = {
            "$and": [{"$gt": ["$checked_at", _NEVER]}, {"$lte": ["$checked_at", LAST_DATE]}]
        }
        users = await self._collection.aggregate(
            [
                {"$match": {"links.user_id": {"$in": user_ids}}},
                {"$unwind": "$links"},
                {"$match": {"links.user_id": {"$in": user_ids}}},
                {
                    "$group": {
                        "_id": "$links.user_id",
                        "oldest": {"$min": {"$cond": [is_checked, "$checked_at", _NEVER]}},
                        "joined": {"$min": "$links.joined"},
                    }
                },
            ]
        )
        return {
            user["_id"]: user["oldest"]
            for user in users
            if user["oldest"] > _NEVER and user["joined"]
        }


def _page(documents: list[Document]) -> AccountPage:
    accounts, unreadable = readable.split_readable(_NAME, documents, account_documents.to_account)
    return AccountPage(accounts=accounts, unreadable=unreadable)
