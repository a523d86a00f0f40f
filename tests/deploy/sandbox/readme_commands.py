"""The README's own lines, home by home."""

import re
from pathlib import Path

SIDECAR = "A container beside a database"
_README = Path(__file__).parents[3] / "README.md"


def lines(home: str) -> str:
    """The one block of code in the section of a home."""
    found = _section().partition(f"\n### {home}\n")[2].partition("\n### ")[0]
    (block,) = re.findall(r"^```\n(.*?)^```$", found, re.MULTILINE | re.DOTALL)
    return str(block)


def homes() -> list[str]:
    """What the README calls them."""
    return re.findall(r"^### (.*)$", _section(), re.MULTILINE)


def _section() -> str:
    return _README.read_text().partition("\n## Four homes\n")[2].partition("\n## ")[0]
