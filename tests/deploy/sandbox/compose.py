"""Stands in for `docker` where there is no engine: images by images.py, services as processes.

A service of compose.yaml is run by its own entry point with its own environment, settings, secrets,
user, read-only root and /tmp; the start of one waits until those before it are well. Left out are
restarts, volumes that outlive it, and what else keeps it in: networks, capabilities, memory,
processes. Names of services lead to 127.0.0.1. `mongo:8.0` is the mongod that the tests have, with
the user that the image would make; the service's own entry point leads to it, and it is well when
it takes writes.

Only the calls in docs/deployment are known, and of compose.yaml only the keys below.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from tests.deploy import container
from tests.deploy.sandbox import database, images

_WELL_S = 60


class Build(Struct, forbid_unknown_fields=True):
    """Where an image comes from."""

    context: str
    dockerfile: str


class Laid(Struct, forbid_unknown_fields=True):
    """A file of settings, and where the service sees it."""

    source: str
    target: str


class File(Struct, forbid_unknown_fields=True):
    """A file beside compose.yaml."""

    file: str


class Health(Struct, forbid_unknown_fields=True):
    """When a service is well; here its own words are not asked."""

    test: list[str]
    interval: str
    timeout: str
    start_period: str
    retries: int


class Service(Struct, forbid_unknown_fields=True):
    """What is known of one; the keys after `secrets` are taken, and do nothing here."""

    image: str
    build: Build | None = None
    entrypoint: list[str] = []
    command: list[str] = []
    environment: dict[str, str] = {}
    depends_on: dict[str, dict[str, str]] = {}
    configs: list[Laid] = []
    secrets: list[str] = []
    healthcheck: Health | None = None
    networks: list[str] = []
    volumes: list[str] = []
    ports: list[str] = []
    read_only: bool = False
    tmpfs: list[str] = []
    cap_drop: list[str] = []
    security_opt: list[str] = []
    mem_limit: str = ""
    pids_limit: int = 0
    stop_grace_period: str = ""
    restart: str = ""


class Composed(Struct, forbid_unknown_fields=True):
    """The file; its networks and volumes are taken, and do nothing here."""

    name: str
    services: dict[str, Service]
    configs: dict[str, File]
    secrets: dict[str, File]
    networks: dict[str, Any]
    volumes: dict[str, Any]


def composed() -> Composed:
    """compose.yaml of the working directory; `$$` in it is a `$`."""

    def filled(thing: Any) -> Any:
        if isinstance(thing, dict):
            return {key: filled(value) for key, value in thing.items()}
        if isinstance(thing, list):
            return [filled(value) for value in thing]
        if isinstance(thing, str):
            assert "$" not in thing.replace("$$", ""), f"no variable is known here: {thing}"
            return thing.replace("$$", "$")
        return thing

    return msgspec.convert(filled(yaml.safe_load(Path("compose.yaml").read_text())), Composed)


def _start(whole: Composed, name: str) -> None:
    """Starts a service and those before it, where they do not run; comes back when it is well."""
    if name in images.noted("services"):
        return
    service = whole.services[name]
    for other, when in service.depends_on.items():
        assert when == {"condition": "service_healthy"}, when
        _start(whole, other)
    with Path("/etc/hosts").open("a") as hosts:
        hosts.write(f"127.0.0.1 {name}\n")
    if service.image == "mongo:8.0":
        _mongodb(whole, service, name)
        images.note("services", {name: 0})
        return
    ours = images.image(service.image)
    program = [*(service.entrypoint or ours.entrypoint), *(service.command or ours.command)]
    log = (images.STATE / f"{name}.log").open("w")
    running = container.start(ours, service.environment, program, _volumes(whole, service), log)
    images.note("services", {name: running.first()})
    deadline = time.monotonic() + _WELL_S
    while _enter(whole, name, ours.healthcheck, quiet=True) != 0:
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} is not well: {Path(log.name).read_text()[-2000:]}")
        time.sleep(0.2)


def _enter(whole: Composed, name: str, program: Sequence[str], *, quiet: bool = False) -> int:
    """Runs a program in a service's container; returns its exit code."""
    service = whole.services[name]
    ours = images.image(service.image)
    environment = {**ours.environment, **service.environment}
    return subprocess.run(
        [
            "nsenter", f"--target={images.noted('services')[name]}",
            "--mount", "--pid", "--ipc", "--uts", "--root", f"--wd={ours.work}", "--",
            "chroot", f"--userspec={ours.user}", "/", "env", "-C", ours.work,
            "-i", *(f"{key}={text}" for key, text in environment.items()), *program,
        ],
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
    ).returncode  # fmt: skip


def _once(whole: Composed, name: str, program: Sequence[str]) -> int:
    """Runs a program in a container of its own, as a service would; returns its exit code."""
    service = whole.services[name]
    for other in service.depends_on:
        _start(whole, other)
    running = container.start(
        images.image(service.image), service.environment, program, _volumes(whole, service)
    )
    code, out, err = running.end()
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


def _volumes(whole: Composed, service: Service) -> Mapping[str, Path]:
    """Settings and secrets, where the service looks for them."""
    files = {each.target: Path(whole.configs[each.source].file) for each in service.configs}
    files |= {f"/run/secrets/{name}": Path(whole.secrets[name].file) for name in service.secrets}
    return images.volumes({target: path.absolute() for target, path in files.items()})


def _mongodb(whole: Composed, service: Service, name: str) -> None:
    """What the image's own entry point does: a user by the service's variables, then mongod."""
    subprocess.run(["useradd", "--system", "mongodb"], check=True)
    secrets = Path("/run/secrets")
    secrets.mkdir()
    for secret in service.secrets:
        (secrets / secret).write_bytes(Path(whole.secrets[secret].file).read_bytes())
    shims = images.STATE / "mongo"
    shims.mkdir(parents=True)
    (shims / "docker-entrypoint.sh").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$FLAGS"\n')
    (shims / "docker-entrypoint.sh").chmod(0o755)
    flags = images.STATE / "mongo" / "flags"
    subprocess.run(
        [*service.entrypoint, *service.command],
        check=True,
        env={"PATH": f"{shims}:{os.environ['PATH']}", "FLAGS": str(flags)},
    )
    program, *given = flags.read_text().splitlines()
    assert program == "mongod"
    subprocess.run(["chown", "root", "/tmp/keyfile"], check=True)  # noqa: S108  # ours runs as root
    database.start(images.STATE / "data", given, name)
    environment = service.environment
    password = Path(environment["MONGO_INITDB_ROOT_PASSWORD_FILE"]).read_text()
    database.first_user(environment["MONGO_INITDB_ROOT_USERNAME"], password)
    subprocess.run(["rm", "-r", secrets], check=True)


def docker(*given: str) -> int:
    """Does what the command would; returns its exit code."""
    match given:
        case ["build", "--file", file, "--tag", tag, context]:
            images.build(Path(file), Path(context), tag)
        case ["push", tag]:
            images.image(tag)
            images.note("pushed", {tag: True})
        case ["compose", "run", "--rm", "--build", "--entrypoint", program, name, *rest]:
            whole = composed()
            made = whole.services[name].build
            assert made is not None
            images.build(Path(made.dockerfile), Path(made.context), whole.services[name].image)
            return _once(whole, name, [program, *rest])
        case ["compose", "up", "--detach", "--wait"]:
            whole = composed()
            for name in whole.services:
                _start(whole, name)
        case ["compose", "exec", name, *program] if not name.startswith("-"):
            return _enter(composed(), name, program)
        case _:
            sys.stderr.write(f"docker here does not know: {given}\n")
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(docker(*sys.argv[1:]))
