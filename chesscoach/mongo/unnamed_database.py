"""The database of a `MONGO_URL` that comes without `DB_NAME`."""

from typing import NoReturn

from pymongo.errors import OperationFailure

from chesscoach import log
from chesscoach.errors import ConfigError
from chesscoach.mongo.client import Client, parse_connection
from chesscoach.mongo.errors import translates_errors

DEFAULT_NAME = "chesscoach"
_SERVER_DATABASES = ("admin", "config", "local")
"""Databases of every server; a URL names `admin` only to say where its user is known."""

_IDENTIFIERS = {"users": "user_id", "games": "game_id"}
"""Collections of the application, and the field that every document in each has."""

_SAMPLE_SIZE = 20


@translates_errors
async def choose_name(client: Client, url: str) -> str:
    """Returns the database that the URL names, else the default one, with a warning.

    Raises:
        ConfigError: the application's data is in another database of the server.
    """
    connection = parse_connection(url)
    named = connection.database if connection is not None else None
    name = named if named and named not in _SERVER_DATABASES else DEFAULT_NAME
    if name != named:
        log.get_logger().warning("database_name_missing", database=name)
    if not await _has_application_data(client, name):
        for other in await _other_names(client, name):
            if await _has_application_data(client, other):
                _refuse(name, other)
    return name


async def _other_names(client: Client, name: str) -> list[str]:
    try:
        names = await client.list_database_names()
    except OperationFailure:  # the user may not list them
        return []
    return sorted(set(names) - {name, *_SERVER_DATABASES})


async def _has_application_data(client: Client, name: str) -> bool:
    """Whether some of the first documents have the application's own identifiers."""
    for collection, field in _IDENTIFIERS.items():
        sample = client[name][collection].find({}, {field: 1}, limit=_SAMPLE_SIZE)
        try:
            documents = await sample.to_list(None)
        except OperationFailure:  # the user may not read it
            return False
        if any(isinstance(document.get(field), str) for document in documents):
            return True
    return False


def _refuse(name: str, other: str) -> NoReturn:
    msg = (
        f"DB_NAME: not set, and the application's data is not in {name} but in the database "
        f"{other}: set DB_NAME={other}, or DB_NAME={name} for a new database"
    )
    raise ConfigError(msg)
