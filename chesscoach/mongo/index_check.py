"""Finds existing indexes that contradict the wanted ones, or our writes; changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from chesscoach.mongo.client import Database
from chesscoach.mongo.errors import translates_errors
from chesscoach.mongo.index import Index
from chesscoach.mongo.indexes import serves_partially

UniqueKeys = Mapping[str, Sequence[tuple[str, ...]]]
"""By collection to which we add documents: the sets of fields of which ours never repeat values."""


@translates_errors
async def contradicting_indexes(database: Database, wanted: Sequence[Index]) -> list[str]:
    """Existing indexes with the name or keys of a wanted one, and how they differ from it."""
    differences = []
    for index in wanted:
        existing = dict(await database[index.collection].index_information())
        differences += [
            f"{index.collection}.{name}: {difference}"
            for name, information in existing.items()
            if (difference := _difference(index, name, information))
            and not any(
                tuple(other["key"]) == index.keys and _difference(index, other_name, other) is None
                for other_name, other in existing.items()
            )
        ]
    return differences


@translates_errors
async def unexpected_unique_indexes(database: Database, expected: UniqueKeys) -> list[str]:
    """Unique indexes that may refuse a document of ours, since its values there can repeat."""
    unexpected = []
    for collection, unrepeated in expected.items():
        for name, information in dict(await database[collection].index_information()).items():
            fields = [field for field, _ in information["key"]]
            safe = any(set(keys) <= set(fields) for keys in (("_id",), *unrepeated))
            if information.get("unique") and not safe:
                unexpected.append(
                    f"{collection}.{name}: unique on ({', '.join(fields)}), so it may refuse "
                    "documents that the worker adds"
                )
    return unexpected


def _difference(index: Index, name: str, existing: Mapping[str, Any]) -> str | None:
    """How an existing index contradicts a wanted one; None if it does not."""
    keys = tuple(
        (field, int(direction)) for field, direction in existing["key"] if direction in (1, -1)
    )
    wanted = index.fields
    if keys != index.keys:
        return f"should be on ({wanted})" if name == index.name else None
    if index.unique and not existing.get("unique"):
        return f"({wanted}) should be unique"
    if not serves_partially(dict(existing), index):
        return f"({wanted}) should not be partial in that way"
    if existing.get("sparse") and not index.only_texts:
        return f"({wanted}) should not be sparse"
    if index.expire_after_s not in (None, existing.get("expireAfterSeconds")):
        ttl_s = existing.get("expireAfterSeconds")
        return f"({wanted}) should delete documents after {index.expire_after_s} s, not {ttl_s}"
    return None
