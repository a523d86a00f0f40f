"""Checks of the secrets: their origin, their files, TLS, and redaction in logs."""

import asyncio
import ipaddress
import stat
from operator import attrgetter
from pathlib import Path

from chesscoach import log
from chesscoach.config.environment import SECRET_SETTINGS, setting_keys
from chesscoach.doctor.finding import CheckContext, Finding, fail, ok, warn
from chesscoach.mongo import client


async def secrets_origin(ctx: CheckContext) -> Finding:
    """Names the origin of each secret: the database's address, SendGrid's key, settings."""
    settings = ctx.settings
    origins = [_place(ctx, "MONGO_URL") or "MONGO_URL"]
    if settings.process.mongo_url is None:
        origins = ["no MONGO_URL: the embedded MongoDB has no password; any local user can use it"]
    if settings.process.sendgrid_key is not None:
        origins.append(_place(ctx, "SENDGRID_API_KEY") or "SENDGRID_API_KEY")
    for name in _secret_settings(ctx):
        key = setting_keys(name)[-1]
        origins.append(_place(ctx, name) or f"{key} in {settings.origin.file}")
    if unread := settings.origin.unread_files:
        advice = f"unset {', '.join(unread)}: not read, since the variable without _FILE is set"
        return warn("; ".join(origins), advice)
    return ok("; ".join(origins))


def _secret_settings(ctx: CheckContext) -> list[str]:
    """The variables of the settings that are secret and have a value, wherever that is set."""
    config = ctx.settings.config
    return [name for name in SECRET_SETTINGS if attrgetter(".".join(setting_keys(name)))(config)]


def _place(ctx: CheckContext, name: str) -> str | None:
    """Where a variable is set; None if it is not."""
    variables = ctx.settings.origin.variables
    for spelled, what in ((name, ""), (f"{name}_FILE", ", which names a file")):
        if place := variables.get(spelled):
            where = "the environment" if place == "environment" else place
            return f"{spelled} in {where}{what}"
    return None


async def files(ctx: CheckContext) -> Finding:
    """Checks that other users of this machine cannot read the files with secrets."""
    origin = ctx.settings.origin
    paths = [*origin.secret_files, *([origin.dotenv] if origin.dotenv else [])]
    in_toml = any(not _place(ctx, name) for name in _secret_settings(ctx))
    paths += [origin.file] if origin.file and in_toml else []
    if not paths:
        return ok("no secret is in a file")
    open_to_all = [path for path in paths if await asyncio.to_thread(_others_read, Path(path))]
    if open_to_all:
        return warn(
            f"other users of this machine can read {', '.join(open_to_all)}",
            "chmod 600 (in Kubernetes: defaultMode 0400)",
        )
    return ok(f"other users cannot read {', '.join(paths)}")


def _others_read(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH)


async def tls(ctx: CheckContext) -> Finding:
    """Checks that no password crosses a network in plain text."""
    url = ctx.settings.process.mongo_url
    connection = client.parse_connection(url) if url else None
    if connection is None or not connection.password:
        return ok("MONGO_URL has no password")
    if connection.tls:
        return ok("TLS protects the password in MONGO_URL")
    if all(is_local_host(host) for host in connection.hosts):
        return ok("the password in MONGO_URL stays on this machine")
    return warn(
        "MONGO_URL has a password, a host that is not this machine, and no TLS",
        "add tls=true to MONGO_URL",
    )


def is_local_host(host: str) -> bool:
    """Whether a host is this machine: a loopback address, its name, or a socket file."""
    if host == "localhost" or host.endswith(".sock"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def redaction(ctx: CheckContext) -> Finding:
    """Checks that the log, as it is set up now, masks each secret."""
    secrets = {secret for secret in ctx.settings.process.secrets() if secret}
    shown = [secret for secret in secrets if not log.is_masked(secret)]
    if any(len(secret) >= log.MIN_SECRET_LENGTH for secret in shown):
        return fail("logs would show a secret", "report this, and share no logs")
    if shown:
        return warn(
            "a secret (MongoDB's password, a key) is too short to be masked everywhere",
            f"use one of {log.MIN_SECRET_LENGTH} characters or more",
        )
    return ok("every secret is masked in logs" if secrets else "no secret to mask")
