"""Finds existing indexes that contradict the wanted ones. Changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from chesscoach.mongo.client import Database
from chesscoach.mongo.errors import translates_errors
from chesscoach.mongo.indexes import Index


@translates_errors
async def contradicting_indexes(database: Database, wanted: Sequence[Index]) -> list[str]:
    """Indexes with the name or the keys of a wanted one that are not as it must be, and how."""
    differences = []
    for index in wanted:
        existing = dict(await database[index.collection].index_information())
        differences += [
            f"{index.collection}.{name}: {how}"
            for name, found in existing.items()
            if (how := _difference(index, name, found))
            and not _is_served(index, {key: each for key, each in existing.items() if key != name})
        ]
    return differences


def _difference(index: Index, name: str, found: Mapping[str, Any]) -> str | None:
    """How an existing index contradicts a wanted one; None if it does not, or is another."""
    keys = tuple((field, int(way)) for field, way in found["key"] if way in (1, -1))
    wanted = ", ".join(field for field, _ in index.keys)
    if keys != index.keys:
        return f"should be on ({wanted})" if name == index.name else None
    if index.unique and not found.get("unique"):
        return f"({wanted}) should be unique"
    if found.get("partialFilterExpression") not in (None, index.partial):
        return f"({wanted}) should not be partial in that way"
    if found.get("sparse"):
        return f"({wanted}) should not be sparse"
    if index.expire_after_s not in (None, found.get("expireAfterSeconds")):
        kept = found.get("expireAfterSeconds")
        return f"({wanted}) should delete documents after {index.expire_after_s} s, not {kept}"
    return None


def _is_served(index: Index, others: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether another index does what the wanted one is for."""
    return any(
        tuple((field, way) for field, way in found["key"]) == index.keys
        and _difference(index, name, found) is None
        for name, found in others.items()
    )
