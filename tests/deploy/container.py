"""A container without a daemon: an image's file system, read-only, in namespaces of its own.

What a runtime does for `docker run --read-only --tmpfs /tmp --user`, by `unshare` and `chroot`: the
program is process 1, is nobody's root, and has the image's own environment. The network is the
machine's.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from msgspec import Struct

_ENTER_SCRIPT = """
set -e
root=$1 user=$2 work=$3 volumes=$4; shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
printf %s "$volumes" | while IFS=: read -r source target; do
    mount --bind "$source" "$root$target"
    mount -o remount,ro,bind "$root$target"
done
mount -o remount,ro,bind "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for name in null zero random urandom; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0700,uid="${user%:*}",gid="${user#*:}" tmpfs "$root$work"
exec chroot --userspec="$user" "$root" env -C "$work" "$@"
"""


class Buildah:
    """The command, with its store in a folder of ours."""

    def __init__(self, folder: Path) -> None:
        self._base = [
            "buildah", "--root", str(folder / "store"), "--runroot", str(folder / "run"),
            "--storage-driver", "vfs",
        ]  # fmt: skip

    def __call__(self, *args: str) -> str:
        """Runs it; returns what it printed.

        Raises:
            CalledProcessError: it failed; it has said why on stderr.
        """
        return subprocess.run(
            [*self._base, *args], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()


class Image(Struct, frozen=True, kw_only=True):
    """An image as a runtime reads it, and where its file system is mounted."""

    root: Path
    user: str
    work: str
    environment: dict[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    healthcheck: tuple[str, ...]

    @classmethod
    def from_inspect(cls, root: str, inspected: str) -> "Image":
        """From what `buildah inspect` says of it."""
        config: dict[str, Any] = json.loads(inspected)["Docker"]["config"]
        kind, *test = config["Healthcheck"]["Test"]
        assert kind == "CMD", "a shell would be needed"
        return cls(
            root=Path(root),
            user=config["User"],
            work=config["WorkingDir"],
            environment=dict(each.split("=", 1) for each in config["Env"]),
            entrypoint=tuple(config["Entrypoint"]),
            command=tuple(config["Cmd"]),
            healthcheck=tuple(test),
        )


class RunningContainer:
    """A started container."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def first_pid(self) -> int:
        """The number that this machine has for the container's process 1."""
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for _ in range(200):
            if found := path.read_text().split():
                return int(found[0])
            time.sleep(0.05)
        raise AssertionError("the container has no process")

    def wait_for_end(self, within_s: float = 300) -> tuple[int, str, str]:
        """Waits for its end; returns its exit code and its stdout and stderr."""
        try:
            out, err = self._process.communicate(timeout=within_s)
        finally:
            self.kill()
        return self._process.returncode, out, err

    def stop(self) -> float:
        """Sends SIGTERM to process 1; returns the seconds until it had left with 0."""
        began = time.monotonic()
        os.kill(self.first_pid(), signal.SIGTERM)
        out, err = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, (self._process.returncode, out[-2000:], err[-2000:])
        assert "daemon_stopped" in out, out[-2000:]
        return time.monotonic() - began

    def memory_mb(self) -> int:
        """The most memory that it has held at a time."""
        status = Path(f"/proc/{self.first_pid()}/status").read_text()
        (line,) = [each for each in status.splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) // 1024

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def start(
    image: Image,
    given: Mapping[str, str],
    program: Sequence[str],
    volumes: Mapping[str, Path] = MappingProxyType({}),
    out: int | IO[str] = subprocess.PIPE,
) -> RunningContainer:
    """Starts a program in a new container of an image.

    `volumes` are files and folders by the place where it sees them, which must be there in the
    image; it cannot write to them. With `out` it tells all there, and outlives whoever started it.
    """
    environment = [f"{name}={value}" for name, value in {**image.environment, **given}.items()]
    laid_in = "".join(f"{path}:{target}\n" for target, path in volumes.items())
    return RunningContainer(
        subprocess.Popen(
            [
                str(shutil.which("unshare")), "--mount", "--pid", "--fork", "--ipc", "--uts",
                "--kill-child",
                "sh", "-c", _ENTER_SCRIPT, "sh", str(image.root), image.user, image.work, laid_in,
                "-i", *environment, *program,
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE if out == subprocess.PIPE else subprocess.STDOUT,
            text=True,
            start_new_session=out != subprocess.PIPE,
        )
    )  # fmt: skip


def run(image: Image, given: Mapping[str, str], *program: str) -> str:
    """Runs a program to its end, which must be 0; returns what it printed."""
    code, out, err = start(image, given, program).wait_for_end()
    assert code == 0, (program, code, out[-2000:], err[-2000:])
    return out
