"""The lines of docs/deployment/, home by home."""

import re
from pathlib import Path

SIDECAR = "compose"
_PAGES = Path(__file__).parents[3] / "docs" / "deployment"


def lines(home: str) -> str:
    """The first block of code in the page of a home: from a checkout to the first sync."""
    text = (_PAGES / f"{home}.md").read_text()
    return str(re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])


def homes() -> list[str]:
    """The pages of homes; shards are none."""
    return sorted(path.stem for path in _PAGES.glob("*.md") if path.stem != "shards")
