"""Sync accounts: what we know of each linked account, and which are due.

`_id` is `{platform}:{name}`; an account that several users link has one row. Everything here is
walked by key in pages, so no server cursor stays open. Rows are written under the fence of their
site's lane: a holder that lost it cannot move a cursor. `number` is that of the user who linked the
account first, and so says in which part of the users it is walked.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from chesscoach.errors import LeaseLost
from chesscoach.models import WHOLE, Account, Link, Platform, Shard, number
from chesscoach.store.client import Database, Document
from chesscoach.store.faults import only_duplicates, spoken

PAGE = 300
_LINKS = 1000
_ERRORS = 5
"""So many of an account's last errors are kept."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Saved(Struct, frozen=True, kw_only=True):
    """The state of an account after work, and when it is due again.

    Without a due time it is a step on the way: the account stays as due as it was.
    """

    account: Account
    due_at: datetime | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which accounts of a site a run asks for.

    Those checked since the run began are left out, whatever their due time has become. `waiting`
    asks only for those with unfinished games, `shard` for those of a part of the users.
    """

    platform: Platform
    begun: datetime
    due_only: bool
    user_id: str | None = None
    waiting: bool = False
    shard: Shard = WHOLE


class Trouble(Struct, frozen=True, kw_only=True):
    """Why an account could not be checked, and when."""

    error: str
    at: datetime


class Row(Struct, frozen=True, kw_only=True):
    """An account with what the store keeps beside its state.

    `failures` counts failed checks in a row; `errors` are the last ones, the newest last.
    """

    account: Account
    due_at: datetime
    failures: int
    errors: tuple[Trouble, ...]


class Accounts:
    """The linked accounts of a database."""

    def __init__(self, database: Database) -> None:
        self._rows = database["sync_accounts"]

    @spoken
    async def of_users(
        self, keys: Sequence[str], user_ids: Sequence[str], shard: Shard = WHOLE
    ) -> list[Account]:
        """The rows of some accounts, and every row that some users are linked to; of a part."""
        named: Document = {"$or": [{"_id": {"$in": keys}}, {"links.user_id": {"$in": user_ids}}]}
        query = {**named, **_of(shard)}
        return [_account(row) for row in await self._rows.find(query).to_list(None)]

    async def links(
        self, user_id: str | None = None, shard: Shard = WHOLE
    ) -> AsyncIterator[list[tuple[str, str]]]:
        """Pages of (account key, user): the links of a part's accounts, or those of one user."""
        after = ""
        while page := await self._links_page(user_id, shard, after):
            yield [
                (row["_id"], link["user_id"])
                for row in page
                for link in row["links"]
                if user_id in (None, link["user_id"])
            ]
            after = page[-1]["_id"]

    @spoken
    async def _links_page(self, user_id: str | None, shard: Shard, after: str) -> list[Document]:
        query: Document = {"_id": {"$gt": after}, "links.0": {"$exists": True}, **_of(shard)}
        if user_id is not None:
            query["links.user_id"] = user_id
        rows = self._rows.find(query, {"links.user_id": 1}).sort("_id", 1)
        return await rows.limit(_LINKS).to_list(_LINKS)

    @spoken
    async def ensure(
        self,
        new: Iterable[Account],
        joining: Iterable[tuple[str, Link]],
        leaving: Iterable[tuple[str, str]],
        joined_at: datetime,
    ) -> None:
        """Makes rows, adds links, removes links (key, user).

        A new account is due since it was made, one that somebody joins at once. One that another
        has made meanwhile is joined.
        """
        made = list(new)
        writes: list[InsertOne[Document] | UpdateOne] = [
            InsertOne(
                {
                    **_fields(account),
                    "_id": account.key,
                    "number": number(account.links[0].user_id) if account.links else None,
                    "due_at": account.created_at,
                    "fence": 0,
                }
            )
            for account in made
        ]
        writes += [_joined(key, link, joined_at) for key, link in joining]
        writes += [
            UpdateOne({"_id": key}, {"$pull": {"links": {"user_id": user_id}}})
            for key, user_id in leaving
        ]
        if not writes:
            return
        try:
            await self._rows.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            there = [made[each["index"]] for each in error.details["writeErrors"]]
            await self._rows.bulk_write(
                [
                    _joined(account.key, replace(link, joined=False), joined_at)
                    for account in there
                    for link in account.links
                ],
                ordered=False,
            )

    async def due(self, wanted: Wanted) -> AsyncIterator[list[Account]]:
        """Pages of the accounts that are wanted, stalest first."""
        after: tuple[datetime, str] | None = None
        while page := await self._due_page(wanted, after):
            yield [_account(row) for row in page]
            after = (page[-1]["due_at"], page[-1]["_id"])

    @spoken
    async def _due_page(self, wanted: Wanted, after: tuple[datetime, str] | None) -> list[Document]:
        query = _query(wanted)
        if after is not None:
            at, key = after
            query["$or"] = [{"due_at": {"$gt": at}}, {"due_at": at, "_id": {"$gt": key}}]
        rows = self._rows.find(query).sort([("due_at", 1), ("_id", 1)])
        return await rows.limit(PAGE).to_list(PAGE)

    @spoken
    async def count(self, wanted: Wanted) -> int:
        """How many accounts `due` would yield."""
        return await self._rows.count_documents(_query(wanted))

    @spoken
    async def save(self, saved: Sequence[Saved], fence: int) -> None:
        """Moves cursors; to be called after the writes that they stand for.

        Raises:
            LeaseLost: another holder of the lane has written one of these rows since.
        """
        if not saved:
            return
        result = await self._rows.bulk_write([_moved(item, fence) for item in saved], ordered=False)
        if result.matched_count < len(saved):
            msg = "a newer holder of the lane has moved these cursors"
            raise LeaseLost(msg)

    @spoken
    async def complain(
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
        await self._rows.update_one(
            {"_id": key},
            [
                {"$set": {"failures": failures, "errors": {"$slice": [errors, -_ERRORS]}}},
                {"$set": {"due_at": {"$cond": [spent, aside_until, at]}}},
            ],
        )

    @spoken
    async def named(self, name: str) -> list[Row]:
        """The accounts of a name on either site or of a key, in any case, or of a user_id."""
        lower = name.lower()
        keys = [lower, *(f"{site}:{lower}" for site in get_args(Platform))]
        query = {"$or": [{"_id": {"$in": keys}}, {"links.user_id": name}]}
        rows = await self._rows.find(query).sort("_id", 1).to_list(None)
        return [
            Row(
                account=_account(row),
                due_at=row["due_at"],
                failures=row.get("failures", 0),
                errors=tuple(Trouble(**each) for each in row.get("errors", [])),
            )
            for row in rows
        ]

    @spoken
    async def sample(self, platform: Platform) -> Account | None:
        """A linked account of a site whose last check did not fail; None if there is none.

        The one that is due last: its player is the least active, so that little is to be said of
        him.
        """
        query: Document = {
            "platform": platform,
            "links.0": {"$exists": True},
            "standing": "active",
            "failures": {"$not": {"$gt": 0}},
        }
        rows = await self._rows.find(query).sort("due_at", -1).limit(1).to_list(1)
        return _account(rows[0]) if rows else None

    @spoken
    async def remove(self, key: str, fence: int) -> None:
        """Takes an account out of the walk for good; its users have gone on to another."""
        await self._rows.delete_one({"_id": key, "fence": {"$lte": fence}})

    @spoken
    async def oldest_success(self, user_ids: Sequence[str]) -> dict[str, datetime]:
        """For users whose every account was checked: the oldest of their last checks."""
        rows = await self._rows.aggregate(
            [
                {"$match": {"links.user_id": {"$in": user_ids}}},
                {"$unwind": "$links"},
                {"$match": {"links.user_id": {"$in": user_ids}}},
                {
                    "$group": {
                        "_id": "$links.user_id",
                        "oldest": {"$min": {"$ifNull": ["$checked_at", _NEVER]}},
                        "joined": {"$min": "$links.joined"},
                    }
                },
            ]
        ).to_list(None)
        return {r["_id"]: r["oldest"] for r in rows if r["oldest"] > _NEVER and r["joined"]}


def _joined(key: str, link: Link, at: datetime) -> UpdateOne:
    return UpdateOne(
        {"_id": key, "links.user_id": {"$ne": link.user_id}},
        {"$push": {"links": _builtins(link)}, "$min": {"due_at": at}},
    )


def _of(shard: Shard) -> Document:
    """Of a part's accounts; those without a number, which is new, are the first part's."""
    if shard.of == 1:
        return {}
    mine: list[Document] = [{"number": {"$mod": [shard.of, shard.index]}}]
    return {"$and": [{"$or": mine + [{"number": None}] * (shard.index == 0)}]}


def _moved(saved: Saved, fence: int) -> UpdateOne:
    """The state that was worked, but for who has joined or left since it was read.

    A part of the users may link what another one walks. With somebody new it stays as due as it is.
    """
    fields = {**_fields(saved.account), "fence": fence}
    links = fields.pop("links")
    ours = {"$literal": [link["user_id"] for link in links]}
    left = {"input": {"$literal": links}, "cond": {"$in": ["$$this.user_id", "$links.user_id"]}}
    joined = {"input": "$links", "cond": {"$not": [{"$in": ["$$this.user_id", ours]}]}}
    update: Document = {key: {"$literal": value} for key, value in fields.items()}
    update["links"] = {"$concatArrays": [{"$filter": left}, {"$filter": joined}]}
    if saved.due_at is not None:
        same = {"$eq": [{"$filter": joined}, []]}
        update |= {"due_at": {"$cond": [same, saved.due_at, "$due_at"]}, "failures": 0}
    return UpdateOne({"_id": saved.account.key, "fence": {"$lte": fence}}, [{"$set": update}])


def _query(wanted: Wanted) -> Document:
    query: Document = {
        "platform": wanted.platform,
        "links.0": {"$exists": True},
        "checked_at": {"$not": {"$gte": wanted.begun}},
        **_of(wanted.shard),
    }
    if wanted.user_id is not None:
        query["links.user_id"] = wanted.user_id
    if wanted.waiting:
        query["pending.0"] = {"$exists": True}
    if wanted.due_only:
        query["due_at"] = {"$lte": wanted.begun}
    return query


def _builtins(value: object) -> Document:
    fields: Document = msgspec.to_builtins(value, builtin_types=(datetime,))
    return fields


def _fields(account: Account) -> Document:
    fields = _builtins(account)
    del fields["key"]
    return fields


def _account(row: Document) -> Account:
    return msgspec.convert({**row, "key": row["_id"]}, Account)
