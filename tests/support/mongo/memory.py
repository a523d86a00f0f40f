"""A folder in memory for the data of the tests' mongod."""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a new folder in it, with a name of its own
_PREFIX = "chesscoach-tests-"
_NEEDED_BYTES = 2 * 2**30  # four times what a whole run of the suite has used


def memory_folder(root: Path = _MEMORY, needed_bytes: int = _NEEDED_BYTES) -> Path | None:
    """A new folder in memory; None where no memory can be written to or too little is free.

    Deletes the folders of processes that were killed before they could do so themselves.
    """
    if not os.access(root, os.W_OK):
        return None
    for folder in root.glob(f"{_PREFIX}*"):
        if not _is_running(folder.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)
    if shutil.disk_usage(root).free < needed_bytes:
        return None
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))


def _is_running(pid: str) -> bool:
    return not pid.isdigit() or Path("/proc", pid).exists()
