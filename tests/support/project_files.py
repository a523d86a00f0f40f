"""Where the project's files are."""

from pathlib import Path

import chesscoach

ROOT = Path(chesscoach.__file__).parent.parent
DOCS = ROOT / "docs"
