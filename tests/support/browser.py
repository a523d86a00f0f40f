"""The Chromium of the tests; `python -m tests.support.browser` exits with 1 if there is none."""

import shutil
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ON_A_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def chromium() -> str | None:
    """The path of the system's own, if it has one."""
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    return str(_ON_A_MAC) if _ON_A_MAC.exists() else None


if __name__ == "__main__":
    sys.exit(chromium() is None)
