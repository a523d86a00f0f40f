"""`make image-test`: Dockerfile.cron is built and run, without a docker daemon.

Needs root, and buildah and debootstrap from Debian's packages. The base is made by debootstrap, so
that no registry of images has to be in reach. What is made stays in `.artefacts/image`.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.world import sample_world
from chesscoach.jobs.catalog import JOBS
from chesscoach.mongo.embedded import EmbeddedServer
from chesscoach.mongo.mongod import _free_port
from tests.deploy import container
from tests.deploy.container import Buildah, Image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".artefacts" / "image"
BASE_IMAGE, IMAGE = "localhost/base:bookworm", "localhost/chesscoach:test"
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
SANDBOX_CHECK = """
import os, pathlib
assert os.getuid() == 10001 and os.getpid() == 1
pathlib.Path("written").write_text("here")
try:
    pathlib.Path("/var/tmp/written").write_text("there")
except OSError as error:
    assert error.errno == 30, error
else:
    raise SystemExit("the root can be written to")
"""


def build(buildah: Buildah) -> None:
    """The base, where it is not there yet, and the image on it."""
    if BASE_IMAGE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        click.echo("making the base")
        system = FOLDER / "base"
        shutil.rmtree(system, ignore_errors=True)
        subprocess.run(
            [
                str(shutil.which("debootstrap")),
                "--variant=minbase",
                f"--include={BASE_PACKAGES}",
                "bookworm",
                system,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        made = buildah("from", "scratch")
        buildah("copy", "-q", made, str(system), "/")
        buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", made)
        buildah("commit", "-q", made, BASE_IMAGE)
        buildah("rm", made)
    click.echo("building the image")
    # Packages come from where this machine has them from.
    shared = [path for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
    buildah(
        "build", "--quiet", "--format", "docker", "--isolation", "chroot", "--layers=false",
        "--build-arg", f"BASE={BASE_IMAGE}", *[f"--volume={path}:{path}:ro" for path in shared],
        "--file", str(ROOT / "Dockerfile.cron"), "--tag", IMAGE, str(ROOT),
    )  # fmt: skip


async def try_image(image: Image) -> None:
    """Each job once, then the daemon, against a MongoDB and sites outside of it."""
    world, members = sample_world(datetime.now(UTC))
    lichess, chesscom = FakeLichess(world), FakeChesscom(world)
    embedded = EmbeddedServer(FOLDER / "mongo")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        url = await asyncio.to_thread(embedded.start_or_join)
        stack.callback(embedded.leave)
        given = {
            "MONGO_URL": url,
            "DB_NAME": f"image_{time.time_ns()}",
            "CHESSCOACH_SOURCES__CONTACT": "image-test@localhost",
            "CHESSCOACH_SOURCES__LICHESS__BASE_URL": lichess.url,
            "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": f"{chesscom.url}/pub",
            "CHESSCOACH_WEB__ADMIN": "",
            "CHESSCOACH_WEB__PUBLIC": f"127.0.0.1:{_free_port()}",
        }
        await asyncio.to_thread(run_in_containers, image, given, members)


def run_in_containers(
    image: Image, given: dict[str, str], members: list[tuple[str, str, str]]
) -> None:
    """What is done in containers."""
    container.run(image, given, *image.entrypoint, "-c", SANDBOX_CHECK)
    click.echo("it is user 10001 on a read-only root")
    container.run(image, given, "chesscoach", "db", "init")
    for user_id, on_lichess, on_chesscom in members:
        named = [("--lichess", on_lichess), ("--chesscom", on_chesscom)]
        flags = [part for flag, name in named if name for part in (flag, name)]
        container.run(image, given, "chesscoach", "accounts", "link", user_id, *flags)
    for name in JOBS:
        container.run(image, given, *image.entrypoint, "-m", f"chesscoach.jobs.{name}")
        click.echo(f"{name}: 0")
    rows = json.loads(container.run(image, given, "chesscoach", "accounts", "list", "--json"))
    assert sum(row["games"] for row in rows) > 0
    daemon = container.start(image, given, [*image.entrypoint, *image.command])
    try:
        took = wait_until_healthy(given["CHESSCOACH_WEB__PUBLIC"])
        container.run(image, given, *image.healthcheck)
        container.run(image, given, *image.healthcheck, "--ready")
        click.echo(f"daemon: ready after {took:.1f} s, {daemon.memory_mb()} MB")
        click.echo(f"SIGTERM: left with 0 after {daemon.stop():.1f} s")
    finally:
        daemon.kill()


def wait_until_healthy(address: str) -> float:
    """The seconds until /readyz and /healthz say 200."""
    began = time.monotonic()
    while time.monotonic() - began < 60:
        if all(_status(address, path) == 200 for path in ("/readyz", "/healthz")):
            return time.monotonic() - began
        time.sleep(0.1)
    raise AssertionError("the daemon was not ready within a minute")


def _status(address: str, path: str) -> int | None:
    connection = HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def main() -> int:
    """Builds and tries out; returns the exit code."""
    missing = [name for name in ("buildah", "debootstrap", "unshare") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        click.echo(
            f"image-test needs root, and Debian's buildah and debootstrap; missing: {missing}"
        )
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    buildah = Buildah(FOLDER)
    build(buildah)
    made = buildah("from", IMAGE)
    try:
        image = Image.from_inspect(
            buildah("mount", made), buildah("inspect", "--type", "image", IMAGE)
        )
        asyncio.run(try_image(image))
    finally:
        buildah("umount", made)
        buildah("rm", made)
        buildah("rmi", "--prune", "--force")
    click.echo(buildah("images", "--format", "{{.Name}}:{{.Tag}} {{.Size}}"))
    click.echo("image-test: all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
