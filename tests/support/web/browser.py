"""The Chromium of the tests. Run as a module, it exits with 1 if there is none."""

import shutil
import sys
from pathlib import Path

_COMMAND_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MACOS_PATH = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find_chromium() -> str | None:
    """The path of the system's own, if it has one."""
    for name in _COMMAND_NAMES:
        if found := shutil.which(name):
            return found
    return str(_MACOS_PATH) if _MACOS_PATH.exists() else None


if __name__ == "__main__":
    sys.exit(find_chromium() is None)
