"""The document of an account: its queries, its updates, and its conversion."""

from datetime import UTC, datetime
from typing import Annotated, get_args

import msgspec
from msgspec import Meta, Struct
from pymongo import UpdateOne

from chesscoach.mongo.client import Document
from chesscoach.sources.game import Platform
from chesscoach.sync.account import Account, AccountLink
from chesscoach.worker.shard import ALL_USERS, Shard

_OPTIONAL_DATE = ["date", "null", "missing"]
_TYPES = {
    "_id": ["string"],
    "links": ["array"],
    "number": ["int", "long", "null", "missing"],
    "created_at": ["date"],
    "due_at": ["date"],
    "checked_at": _OPTIONAL_DATE,
    "active_at": _OPTIONAL_DATE,
}
"""The types of the fields by which runs select accounts."""

_DATES = ["$created_at", "$due_at", "$checked_at", "$active_at"]
_MAX_FENCE = 2**40
"""No lane counts as far; beside an account with a greater fence, a run could save none."""

LAST_DATE = datetime.max.replace(tzinfo=UTC)


class AccountState(Struct, frozen=True, kw_only=True):
    """The state of an account after a step, and when it is due again.

    Without a due time it is a step on the way: the account stays as due as it was.
    """

    account: Account
    due_at: datetime | None = None


class AccountQuery(Struct, frozen=True, kw_only=True):
    """Which accounts of a source a run asks for.

    Accounts that were checked since the run began are left out, whatever their due time has
    become. `unfinished_only` asks for accounts with unfinished games, and `shard` for those of a
    shard of the users. `active_since` asks for those whose player was active since then, and for
    new accounts. At most `max_accounts` are returned, if it is set.
    """

    platform: Platform
    run_started_at: datetime
    due_only: bool
    user_id: str | None = None
    unfinished_only: bool = False
    active_since: datetime | None = None
    max_accounts: int | None = None
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
    fence: Annotated[int, Meta(le=_MAX_FENCE)]
    number: Annotated[int, Meta(ge=0)] | None = None
    failures: int = 0
    errors: tuple[CheckError, ...] = ()


class AccountPage(Struct, frozen=True, kw_only=True):
    """Some accounts, and the ids of documents among theirs that cannot be read."""

    accounts: list[Account]
    unreadable: list[object]


def add_link_update(key: str, link: AccountLink, at: datetime) -> UpdateOne:
    """Adds a link unless its user has one; the account is due at once."""
    return UpdateOne(
        {"_id": key, "links.user_id": {"$ne": link.user_id}},
        {"$push": {"links": to_bson(link)}, "$min": {"due_at": at}},
    )


def shard_filter(shard: Shard) -> Document:
    """The accounts of a shard; those without a `number` belong to the first one."""
    if shard.of == 1:
        return {}
    mine: list[Document] = [{"number": {"$mod": [shard.of, shard.index]}}]
    return {"$and": [{"$or": mine + [{"number": None}] * (shard.index == 0)}]}


def save_update(saved: AccountState, fence: int) -> UpdateOne:
    """The new state, without the users who have left and with those who have joined meanwhile.

    One shard may link users to an account that another shard checks. If a user has joined, the
    account stays as due as it is.
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
        "$expr": {"$not": [_is_malformed()]},
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
    if wanted.active_since is not None:
        since = {"$gte": wanted.active_since}
        active = {"$or": [{"active_at": since}, {"active_at": None, "created_at": since}]}
        query["$and"] = [*query.get("$and", []), active]
    return query


def malformed_query() -> Document:
    """The query for the documents that no run selects: a field that runs go by has a wrong type."""
    return {"$expr": _is_malformed()}


def _is_malformed() -> Document:
    types = {field: {"$in": [{"$type": f"${field}"}, types]} for field, types in _TYPES.items()}
    return {
        "$or": [
            *({"$not": [has_type]} for has_type in types.values()),
            {"$not": [{"$in": ["$platform", list(get_args(Platform))]}]},
            {"$gt": [{"$max": _DATES}, LAST_DATE]},
            {"$lt": [{"$ifNull": ["$number", 0]}, 0]},
        ]
    }


def to_bson(value: object) -> Document:
    """A value as the driver takes it."""
    fields: Document = msgspec.to_builtins(value, builtin_types=(datetime,))
    return fields


def document_fields(account: Account) -> Document:
    """The fields of an account's document but its `_id`."""
    fields = to_bson(account)
    del fields["key"]
    return fields


def to_account(document: Document) -> Account:
    """The account that a document describes.

    Raises:
        msgspec.ValidationError: a field has a value of a wrong type.
    """
    return to_account_document(document).account


def to_account_document(document: Document) -> AccountDocument:
    """The account that a document describes, with what the store keeps beside it.

    Raises:
        msgspec.ValidationError: a field has a value of a wrong type.
    """
    account = {**document, "key": document["_id"]}
    return msgspec.convert({**document, "account": account}, AccountDocument)
