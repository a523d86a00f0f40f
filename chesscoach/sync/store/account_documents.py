"""A linked account as a row: what is asked of it, written to it and read from it."""

from datetime import datetime

import msgspec
from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.mongo.client import Document
from chesscoach.sources.game import Platform
from chesscoach.sync.account import Account, AccountLink
from chesscoach.worker.shard import ALL_USERS, Shard


class AccountState(Struct, frozen=True, kw_only=True):
    """The state of an account after work, and when it is due again.

    Without a due time it is a step on the way: the account stays as due as it was.
    """

    account: Account
    due_at: datetime | None = None


class AccountQuery(Struct, frozen=True, kw_only=True):
    """Which accounts of a source a run asks for.

    Accounts that were checked since the run began are left out, whatever their due time has
    become. `unfinished_only` asks for accounts with unfinished games, `shard` for those of a shard
    of the users.
    """

    platform: Platform
    run_started_at: datetime
    due_only: bool
    user_id: str | None = None
    unfinished_only: bool = False
    shard: Shard = ALL_USERS


class CheckError(Struct, frozen=True, kw_only=True):
    """Why an account could not be checked, and when."""

    error: str
    at: datetime


class AccountDocument(Struct, frozen=True, kw_only=True):
    """An account with what the store keeps beside its state.

    `failures` counts failed checks in a row; `errors` are the last ones, the newest last.
    """

    account: Account
    due_at: datetime
    failures: int
    errors: tuple[CheckError, ...]


def add_link_update(key: str, link: AccountLink, at: datetime) -> UpdateOne:
    """Adds a link unless its user has one; the account is due at once."""
    return UpdateOne(
        {"_id": key, "links.user_id": {"$ne": link.user_id}},
        {"$push": {"links": to_bson(link)}, "$min": {"due_at": at}},
    )


def shard_filter(shard: Shard) -> Document:
    """Of a part's accounts; those without a number, which is new, are the first part's."""
    if shard.of == 1:
        return {}
    mine: list[Document] = [{"number": {"$mod": [shard.of, shard.index]}}]
    return {"$and": [{"$or": mine + [{"number": None}] * (shard.index == 0)}]}


def save_update(saved: AccountState, fence: int) -> UpdateOne:
    """The state that was worked, but for who has joined or left since it was read.

    A part of the users may link what another one walks. With somebody new it stays as due as it is.
    """
    fields = {**document_fields(saved.account), "fence": fence}
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


def due_query(wanted: AccountQuery) -> Document:
    """The query for what a run asks for."""
    query: Document = {
        "platform": wanted.platform,
        "links.0": {"$exists": True},
        "checked_at": {"$not": {"$gte": wanted.run_started_at}},
        **shard_filter(wanted.shard),
    }
    if wanted.user_id is not None:
        query["links.user_id"] = wanted.user_id
    if wanted.unfinished_only:
        query["pending.0"] = {"$exists": True}
    if wanted.due_only:
        query["due_at"] = {"$lte": wanted.run_started_at}
    return query


def to_bson(value: object) -> Document:
    """A value as the driver takes it."""
    fields: Document = msgspec.to_builtins(value, builtin_types=(datetime,))
    return fields


def document_fields(account: Account) -> Document:
    """The fields of an account's row but its `_id`."""
    fields = to_bson(account)
    del fields["key"]
    return fields


def to_account(row: Document) -> Account:
    """The account that a row describes."""
    return msgspec.convert({**row, "key": row["_id"]}, Account)
