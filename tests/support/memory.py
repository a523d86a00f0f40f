"""A folder in memory for the data of the tests' mongod."""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a new folder in it, with a name of its own
_NEEDED_BYTES = 2 * 2**30  # four times what a whole run of the suite has used


def memory_folder() -> Path | None:
    """A new folder in memory; None where no memory can be written to or too little is free."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _NEEDED_BYTES:
        return None
    return Path(tempfile.mkdtemp(prefix="chesscoach-tests-", dir=_MEMORY))
