"""The secrets: where they come from, who else can read them, and whether lines would show them."""

import asyncio
import ipaddress
import stat
from pathlib import Path

from chesscoach import log
from chesscoach.doctor.finding import CheckContext, Finding, fail, ok, warn
from chesscoach.mongo import client

SIGNING_KEY = "CHESSCOACH_EMAILS__SIGNING_KEY"


async def origin(patient: CheckContext) -> Finding:
    """Where each secret comes from: the database's address, SendGrid's key, the signing key."""
    settings = patient.settings
    found = [_place(patient, "MONGO_URL") or "MONGO_URL"]
    if settings.process.mongo_url is None:
        found = ["no MONGO_URL: the embedded MongoDB has no secret, any local user can reach it"]
    if settings.process.sendgrid_key is not None:
        found.append(_place(patient, "SENDGRID_API_KEY") or "SENDGRID_API_KEY")
    if settings.config.emails.signing_keys:
        found.append(_place(patient, SIGNING_KEY) or f"signing_key in {settings.origin.file}")
    return ok("; ".join(found))


def _place(patient: CheckContext, name: str) -> str | None:
    """Where a variable stands that counts, if one does."""
    variables = patient.settings.origin.variables
    for spelled, what in ((name, ""), (f"{name}_FILE", ", from the file that it names")):
        if place := variables.get(spelled):
            where = "the environment" if place == "environment" else place
            return f"{spelled} in {where}{what}"
    return None


async def files(patient: CheckContext) -> Finding:
    """Whether others on this machine can read the files that hold secrets."""
    found = patient.settings.origin
    paths = [*found.secret_files, *([found.dotenv] if found.dotenv else [])]
    in_toml = patient.settings.config.emails.signing_keys and not _place(patient, SIGNING_KEY)
    paths += [found.file] if found.file and in_toml else []
    if not paths:
        return ok("no secret stands in a file")
    open_to_all = [path for path in paths if await asyncio.to_thread(_others_read, Path(path))]
    if open_to_all:
        return warn(
            f"others on this machine can read {', '.join(open_to_all)}",
            "chmod 600 (in Kubernetes: defaultMode 0400)",
        )
    return ok(f"others cannot read {', '.join(paths)}")


def _others_read(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH)


async def tls(patient: CheckContext) -> Finding:
    """Whether a password crosses a network in the clear."""
    url = patient.settings.process.mongo_url
    said = client.parse_connection(url) if url else None
    if said is None or not said.password:
        return ok("no password is given")
    if said.tls:
        return ok("the password in MONGO_URL goes by TLS")
    if all(is_local_host(host) for host in said.hosts):
        return ok("the password in MONGO_URL stays on this machine")
    return warn(
        "MONGO_URL has a password, a host that is not this machine, and no TLS",
        "add tls=true to it",
    )


def is_local_host(host: str) -> bool:
    """Whether a host is this machine: a loopback address, its name, or a socket file."""
    if host == "localhost" or host.endswith(".sock"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def redaction(patient: CheckContext) -> Finding:
    """Whether each secret would be masked in a line of the log, as it is set up now."""
    secrets = {secret for secret in patient.settings.process.secrets() if secret}
    shown = [secret for secret in secrets if not log.is_masked(secret)]
    if any(len(secret) >= log.MIN_SECRET_LENGTH for secret in shown):
        return fail("logs would show a secret", "report it, and keep the logs to yourself")
    if shown:
        return warn(
            "a secret (MongoDB's password, a key) is too short to be masked wherever it stands",
            f"take one of {log.MIN_SECRET_LENGTH} characters or more",
        )
    return ok("every secret is masked in logs" if secrets else "no secret to be masked")
