"""The image that `docker build` would make of Dockerfile.cron, as far as this machine can stand in.

Its last stage is read: user, environment, folders and entry point are its own. Left out is what it
is made from: the system is this machine's, and /opt/chesscoach an environment of links to the
libraries that the tests use, with the checkout's package. `make image-test` builds the real one.
"""

import json
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deploy.container import Image
from tests.deploy.sandbox.namespace import SOURCE

STATE = Path("/var/lib/docker")
SYSTEM = Path("/srv/image")
LIBRARIES = "/opt/libraries"
_PREFIX = Path("/opt/chesscoach")
_PASSED_OVER = ("ARG", "LABEL", "STOPSIGNAL")


def build(file: Path, context: Path, tag: str) -> None:
    """Does to this machine's files what the last stage does to its own, once: there is one."""
    assert not noted("images"), "one image is enough"
    for word, rest in _last_stage(file):
        if word == "COPY":
            assert rest == f"--from=build {_PREFIX} {_PREFIX}", rest
            _environment(context)
        elif word == "RUN":
            command = shlex.split(rest)
            assert command[0] == "install", f"not known here: RUN {rest}"
            subprocess.run(command, check=True)
    for path in (*Path(sys.base_prefix).parents, Path(sys.base_prefix)):
        path.chmod(path.stat().st_mode | 0o055)  # in an image nobody's home is in the way
    SYSTEM.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", "/", SYSTEM], check=True)
    note("images", {tag: str(file.absolute())})


def image(tag: str) -> Image:
    """An image that was built, as a runtime reads it, with this machine's files."""
    file = Path(noted("images")[tag])
    said: dict[str, Any] = {}
    environment: dict[str, str] = {}
    for word, rest in _last_stage(file):
        if word == "ENV":
            environment |= dict(part.split("=", 1) for part in shlex.split(rest))
        elif word == "HEALTHCHECK":
            said["HEALTHCHECK"] = json.loads(rest.partition("CMD ")[2])
        elif word in ("ENTRYPOINT", "CMD"):
            said[word] = json.loads(rest)
        elif word in ("USER", "WORKDIR"):
            said[word] = rest
        elif word not in ("COPY", "RUN", *_PASSED_OVER):
            msg = f"not known here: {word} {rest}"
            raise ValueError(msg)
    return Image(
        root=SYSTEM,
        user=said["USER"],
        work=said["WORKDIR"],
        environment=environment,
        entrypoint=tuple(said["ENTRYPOINT"]),
        command=tuple(said["CMD"]),
        healthcheck=tuple(said["HEALTHCHECK"]),
    )


def _last_stage(file: Path) -> list[tuple[str, str]]:
    """Its instructions, each a word and the rest."""
    text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    begins = max(at for at, (word, _) in enumerate(lines) if word == "FROM")
    return [(word, " ".join(rest.split())) for word, rest in lines[begins + 1 :]]


def _environment(context: Path) -> None:
    """The package in /opt/chesscoach, with links to where its libraries are."""
    venv.EnvBuilder(symlinks=True).create(_PREFIX)
    (site,) = _PREFIX.glob("lib/python3*/site-packages")
    (site / "libraries.pth").write_text(f"{LIBRARIES}\n")
    Path(LIBRARIES).mkdir()
    subprocess.run(["cp", "-r", context / "chesscoach", site], check=True)
    compiling = [f"{_PREFIX}/bin/python", "-m", "compileall", "-q", f"{site}/chesscoach"]
    subprocess.run(compiling, check=True)  # as pip does
    program = _PREFIX / "bin" / "chesscoach"
    program.write_text(f"#!{_PREFIX}/bin/python\nfrom chesscoach.cli import main\n\nmain()\n")
    program.chmod(0o755)


def volumes(given: Mapping[str, Path]) -> dict[str, Path]:
    """What a container of the image is given: files and folders, and the libraries."""
    (libraries,) = (SOURCE / ".venv" / "lib").glob("python3*/site-packages")
    for target, path in given.items():
        place = SYSTEM / target[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if path.is_dir() else place.touch()
    return {**given, LIBRARIES: libraries}


def noted(kind: str) -> dict[str, Any]:
    """What one call of `docker` has left for the next."""
    path = STATE / f"{kind}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def note(kind: str, new: Mapping[str, Any]) -> None:
    """Adds to it."""
    STATE.mkdir(parents=True, exist_ok=True)
    (STATE / f"{kind}.json").write_text(json.dumps({**noted(kind), **new}))
