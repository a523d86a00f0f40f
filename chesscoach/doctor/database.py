"""Checks of the database: its place, its kind and version, its indexes."""

from chesscoach.context import Context
from chesscoach.declared_indexes import UNIQUE_KEYS
from chesscoach.doctor.finding import CheckContext, Finding, fail, ok, warn
from chesscoach.mongo.index_check import unexpected_unique_indexes
from chesscoach.mongo.server_info import ServerInfo, server_info

_MIN_VERSION = 6


async def connection(ctx: CheckContext) -> Finding:
    """Checks that the database can be used, and its version."""
    context = ctx.context
    if ctx.config_error is not None:
        return warn("not opened", "see configuration")
    if context is None:
        return fail(ctx.unavailable_reason, _hint(ctx))
    return version(await server_info(context.mongo.database), _place(ctx, context))


def _hint(ctx: CheckContext) -> str:
    if ctx.settings.process.mongo_url is None:
        return "read mongod.log in [database] embedded_dir, or set MONGO_URL"
    return "start MongoDB, or correct MONGO_URL"


def _place(ctx: CheckContext, context: Context) -> str:
    kind = "embedded: " if ctx.settings.process.mongo_url is None else ""
    return kind + context.mongo.place


def version(server: ServerInfo, place: str) -> Finding:
    """Checks that a server has all features that the worker uses."""
    major = server.version.partition(".")[0]
    text = f"{place}; MongoDB {server.version}"
    if not major.isdigit() or int(major) < _MIN_VERSION:
        return fail(text, f"update MongoDB to {_MIN_VERSION}.0 or newer")
    return ok(text)


async def members(ctx: Context) -> Finding:
    """Says what happens to writes when a server fails."""
    return replication(await server_info(ctx.mongo.database))


def replication(server: ServerInfo) -> Finding:
    """Says what a server of this kind does about failures."""
    if server.kind == "standalone":
        return warn(
            "a standalone server: no member takes over when it fails, and a write that a broken "
            "connection interrupts is not repeated",
            "make it a replica set; one member is enough for the repeated writes",
        )
    if server.kind == "replica set" and server.members == 1:
        return ok("replica set of 1 member: no member takes over when it fails")
    count = f" of {server.members} members" if server.kind == "replica set" else ""
    return ok(server.kind + count)


async def indexes(ctx: Context) -> Finding:
    """Checks that all indexes exist, and that no unique one may refuse our documents."""
    missing = await ctx.indexes.missing()
    if missing:
        return fail(f"missing: {', '.join(missing)}", "run `chesscoach db init`")
    if unexpected := await unexpected_unique_indexes(ctx.mongo.database, UNIQUE_KEYS):
        return warn("; ".join(unexpected), "drop such an index if nothing needs it")
    return ok("all indexes exist")
