"""The secrets: where they come from, who else can read them, and whether lines would show them."""

import asyncio
import ipaddress
import stat
from pathlib import Path

from chesscoach import log
from chesscoach.doctor.finding import Finding, Patient, fail, ok, warn
from chesscoach.store import client


async def origin(patient: Patient) -> Finding:
    """Where the database's address comes from."""
    variables = patient.settings.origin.variables
    for name, what in (("MONGO_URL", ""), ("MONGO_URL_FILE", ", from the file that it names")):
        if place := variables.get(name):
            where = "the environment" if place == "environment" else place
            return ok(f"{name} in {where}{what}")
    if patient.settings.process.mongo_url is None:
        return ok("none given: the embedded MongoDB has none, any local user can reach it")
    return ok("MONGO_URL")


async def files(patient: Patient) -> Finding:
    """Whether others on this machine can read the files that hold secrets."""
    found = patient.settings.origin
    paths = [*found.secret_files, *([found.dotenv] if found.dotenv else [])]
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


async def transport(patient: Patient) -> Finding:
    """Whether a password crosses a network in the clear."""
    url = patient.settings.process.mongo_url
    said = client.address(url) if url else None
    if said is None or not said.password:
        return ok("no password is given")
    if said.tls:
        return ok("the password in MONGO_URL goes by TLS")
    if all(_is_here(host) for host in said.hosts):
        return ok("the password in MONGO_URL stays on this machine")
    return warn(
        "MONGO_URL has a password, a host that is not this machine, and no TLS",
        "add tls=true to it",
    )


def _is_here(host: str) -> bool:
    """Whether a host is this machine: a loopback address, its name, or a socket file."""
    if host == "localhost" or host.endswith(".sock"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def masking(patient: Patient) -> Finding:
    """Whether each secret would be masked in a line of the log, as it is set up now."""
    secrets = {secret for secret in patient.settings.process.secrets() if secret}
    shown = [secret for secret in secrets if not log.masks(secret)]
    if any(len(secret) >= log.SHORTEST for secret in shown):
        return fail("logs would show a secret", "report it, and keep the logs to yourself")
    if shown:
        return warn(
            "the password in MONGO_URL is too short to be masked wherever it stands",
            f"take one of {log.SHORTEST} characters or more",
        )
    return ok("every secret is masked in logs" if secrets else "no secret to be masked")
