"""Translates the driver's errors into ours, so that no other room has to know the driver.

The driver's texts are dropped: they quote documents and addresses.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from bson.errors import BSONError
from pymongo.errors import (
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from chesscoach.errors import ChesscoachError, DuplicateDocument, StoreFailed, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")
_UNAUTHORIZED = 13


def translate(error: PyMongoError) -> ChesscoachError:
    """Our error for one of the driver's."""
    kind = type(error).__name__
    if isinstance(
        error, ServerSelectionTimeoutError | ConnectionFailure | ExecutionTimeout | WTimeoutError
    ):
        return StoreUnavailable(f"MongoDB does not answer ({kind})")
    code = error.code if isinstance(error, OperationFailure) else None
    if code == _UNAUTHORIZED:
        return StoreFailed(f"the user in MONGO_URL has no right to do this ({kind}, code {code})")
    refusal = DuplicateDocument if isinstance(error, DuplicateKeyError) else StoreFailed
    return refusal(f"MongoDB refused an operation ({kind}, code {code})")


def translates_errors(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Makes a method that uses the driver raise StoreUnavailable or StoreFailed instead."""

    @wraps(method)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except PyMongoError as error:
            raise translate(error) from error
        except BSONError as error:
            msg = f"a document that cannot be read ({type(error).__name__})"
            raise StoreFailed(msg) from error

    return wrapper
