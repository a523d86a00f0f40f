"""The server that we are connected to: its version, kind and clock."""

from datetime import UTC, datetime
from typing import Literal, cast

from msgspec import Struct

from chesscoach.mongo.client import Database
from chesscoach.mongo.errors import translates_errors


class ServerInfo(Struct, frozen=True, kw_only=True):
    """A server's version, and what it belongs to.

    `members`: the members of a replica set that hold data; 1 elsewhere.
    """

    version: str
    kind: Literal["replica set", "sharded cluster", "standalone"]
    members: int = 1


@translates_errors
async def server_time(database: Database) -> datetime:
    """The server's clock, to the millisecond."""
    hello = await database.client.admin.command("hello")
    return cast(datetime, hello["localTime"]).replace(tzinfo=UTC)


@translates_errors
async def server_info(database: Database) -> ServerInfo:
    """Reads the server's version and kind; every user has the right to it."""
    admin = database.client.admin
    version = str((await admin.command("buildInfo"))["version"])
    hello = await admin.command("hello")
    if hello.get("msg") == "isdbgrid":
        return ServerInfo(version=version, kind="sharded cluster")
    if not hello.get("setName"):
        return ServerInfo(version=version, kind="standalone")
    members = len(hello.get("hosts", [])) + len(hello.get("passives", []))
    return ServerInfo(version=version, kind="replica set", members=members)
