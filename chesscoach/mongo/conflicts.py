"""Repeats operations that MongoDB refused because of a conflict that passes.

Two writers of one document, or of one page of the storage engine, conflict for a moment. A refused
operation has changed nothing, so it may be repeated. The driver repeats only what a lost
connection interrupts.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pymongo.errors import BulkWriteError, OperationFailure

P = ParamSpec("P")
T = TypeVar("T")

CONFLICT_CODES = frozenset({24, 112, 246, 267})
"""LockTimeout, WriteConflict, SnapshotUnavailable, PreparedTransactionInProgress."""

_DUPLICATE_KEY = 11000
_PAUSES_S = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Before each repetition, give or take a half; after the last one the conflict is an error."""


def repeats_conflicts(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Makes a method that sends one command repeat it after a conflict."""

    @wraps(method)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause_s in _PAUSES_S:
            try:
                return await method(*args, **kwargs)
            except OperationFailure as error:
                if error.code not in CONFLICT_CODES:
                    raise
            await _pause(pause_s)
        return await method(*args, **kwargs)

    return wrapper


async def write_unordered(
    write: Callable[[Sequence[Any]], Awaitable[object]], items: Sequence[Any]
) -> list[int]:
    """Writes items in any order, repeats those that conflict; returns the places of duplicates.

    Raises:
        BulkWriteError: an item failed for another reason than its duplicate key.
    """
    waiting, duplicates = list(range(len(items))), list[int]()
    for pause_s in (*_PAUSES_S, None):
        try:
            await write([items[place] for place in waiting])
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            conflicts = [item["index"] for item in failures if item["code"] in CONFLICT_CODES]
            existing = [item["index"] for item in failures if item["code"] == _DUPLICATE_KEY]
            unknown = len(conflicts) + len(existing) < len(failures)
            if unknown or error.details.get("writeConcernErrors"):
                raise
            duplicates += [waiting[index] for index in existing]
            waiting = [waiting[index] for index in conflicts]
            if waiting and pause_s is None:
                raise
        except OperationFailure as error:
            if pause_s is None or error.code not in CONFLICT_CODES:
                raise
        else:
            break
        if not waiting or pause_s is None:
            break
        await _pause(pause_s)
    return duplicates


async def _pause(pause_s: float) -> None:
    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # not a secret
