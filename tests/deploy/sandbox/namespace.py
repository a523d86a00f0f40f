"""A machine of one's own for a few seconds: this one's files, and nothing that is done stays.

It has a network of its own, on which there is nobody else, and processes of its own, which end with
it. Where it is asked for, systemd is its process 1. Needs root on Linux.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SOURCE = Path("/srv/source")
"""Where the checkout is seen there, with its environment; it can only be read."""

DATABASE = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
"""Where the operator's MongoDB is there."""

SYSTEMD = Path("/lib/systemd/systemd")
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = Path(__file__).parents[3]
_REQUIRED_PROGRAMS = (
    "unshare",
    "pivot_root",
    "setpriv",
    "nsenter",
    "useradd",
    "git",
    "make",
    "logger",
    "flock",
)
_UNSHARE = (
    *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--ipc", "--uts"),
    "--cgroup",
)
# What would reach beyond it: modules, clocks, hardware.
_DROPPED_CAPABILITIES = "-sys_module,-sys_time,-sys_rawio,-sys_boot,-mac_admin,-mac_override"

_ENTER_SCRIPT = """
set -eu
folder=$1 source=$2; shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
mkdir -p "$root/srv/source" "$root/former"
mount --bind "$source" "$root/srv/source"
mount -o remount,ro,bind "$root/srv/source"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=0755 tmpfs "$root/etc/systemd/system"
cd "$root"
pivot_root . former
umount -l /former
mount --make-rshared /
exec "$@"
"""


def missing_requirements() -> list[str]:
    """What such a machine needs and this one has not; nothing if it can be made."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return ["root on Linux"]
    wanted = [name for name in _REQUIRED_PROGRAMS if not shutil.which(name)]
    wanted += [] if SYSTEMD.exists() else ["systemd"]
    wanted += [] if _cgroup_root() else ["a writable hierarchy of control groups, version 2"]
    wanted += [] if (_ROOT / ".venv").is_dir() else ["an environment in .venv"]
    if os.stat(sys.base_prefix).st_dev != os.stat("/").st_dev:
        wanted.append("a Python on the root's own file system")
    if not wanted:
        with tempfile.TemporaryDirectory() as folder:
            tried = [*_UNSHARE, "sh", "-c", _ENTER_SCRIPT, "sh", folder, str(_ROOT), "true"]
            ended = subprocess.run(tried, stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode != 0:
            wanted = [f"namespaces and mounts: {ended.stderr.strip()}"]
    return wanted


@contextmanager
def namespace(
    folder: Path, program: Sequence[str], environment: Mapping[str, str], *, systemd: bool
) -> Iterator[subprocess.Popen[str]]:
    """Runs a program on a new machine; with it the machine ends, and at the end of the block.

    `folder` is an empty one of this machine, in which it is laid out. With `systemd` the program is
    started beside it, by somebody else than it.
    """
    boot = f'"$@" & exec {SYSTEMD} --system --unit=basic.target --show-status=no --log-target=null'
    # Says nothing of its own: stdout is the program's.
    started = ["sh", "-c", f"{boot} >/dev/null 2>&1", "sh", *program] if systemd else [*program]
    with _control_group() as group:
        process = subprocess.Popen(
            [
                "sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(group),
                *_UNSHARE, "sh", "-c", _ENTER_SCRIPT, "sh", str(folder), str(_ROOT),
                "setpriv", f"--bounding-set={_DROPPED_CAPABILITIES}",
                "env", "-i", *(f"{name}={value}" for name, value in environment.items()), *started,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def _cgroup_root() -> Path | None:
    """Where the second version of control groups is mounted and can be written to."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 ") and os.access(before.split()[4], os.W_OK):
            return Path(before.split()[4])
    return None


@contextmanager
def _control_group() -> Iterator[Path]:
    """A control group, so that a systemd there keeps to itself."""
    found = _cgroup_root()
    assert found is not None, missing_requirements()
    group = found / f"chesscoach-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        with suppress(OSError):  # Linux 5.14; before it the end of process 1 has to do
            (group / "cgroup.kill").write_text("1")
        for _ in range(200):
            if "populated 0" in (group / "cgroup.events").read_text():
                break
            time.sleep(0.01)
        for path, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                os.rmdir(path)


if __name__ == "__main__":
    lacking = missing_requirements()
    if lacking:
        wanting = ", ".join(lacking)
        sys.stdout.write(f"no {wanting} here, which the tests on a throw-away machine need\n")
    sys.exit(bool(lacking))
