"""The database: where it is, what it is, and whether it has been prepared."""

from chesscoach.context import Context
from chesscoach.doctor.finding import CheckContext, Finding, fail, ok, warn
from chesscoach.mongo.server_info import ServerInfo, server_info

_MIN_VERSION = 6


async def connection(patient: CheckContext) -> Finding:
    """Whether it can be used at all, and its version."""
    ctx = patient.ctx
    if patient.config_error is not None:
        return warn("not opened", "see configuration")
    if ctx is None:
        return fail(patient.unavailable_reason, _hint(patient))
    return version(await server_info(ctx.mongo.database), _place(patient, ctx))


def _hint(patient: CheckContext) -> str:
    if patient.settings.process.mongo_url is None:
        return "read mongod.log in [database] embedded_dir, or set MONGO_URL"
    return "start it, or correct MONGO_URL"


def _place(patient: CheckContext, ctx: Context) -> str:
    kind = "embedded: " if patient.settings.process.mongo_url is None else ""
    return kind + ctx.mongo.place


def version(server: ServerInfo, place: str) -> Finding:
    """Whether a server is new enough for what we ask of it."""
    major = server.version.partition(".")[0]
    told = f"{place}; MongoDB {server.version}"
    if not major.isdigit() or int(major) < _MIN_VERSION:
        return fail(told, f"update it: {_MIN_VERSION}.0 is the oldest that has all that we use")
    return ok(told)


async def members(ctx: Context) -> Finding:
    """What becomes of writes when a server fails."""
    return replication(await server_info(ctx.mongo.database))


def replication(server: ServerInfo) -> Finding:
    """What a server of that kind does about failures."""
    if server.kind == "standalone":
        return warn(
            "a standalone server: nobody takes over when it fails, a write is acknowledged by it "
            "alone, and one that a broken connection interrupts is not sent again",
            "make it a replica set; one of a single member has the last of these",
        )
    if server.kind == "replica set" and server.members == 1:
        return ok("replica set of 1 member: nobody takes over when it fails")
    count = f" of {server.members} members" if server.kind == "replica set" else ""
    return ok(server.kind + count)


async def indexes(ctx: Context) -> Finding:
    """Whether the indexes stand that our promises and queries rest on."""
    missing = await ctx.indexes.missing()
    if missing:
        return fail(f"missing: {', '.join(missing)}", "run `chesscoach db init`")
    return ok("all that we need stand")
