"""The files that pages load: stylesheet, script and htmx, each under a name with its hash."""

from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
"""htmx 2.0.11, `dist/htmx.min.js` of the package htmx.org; 0BSD."""

_CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HASH_LENGTH = 12


class Assets:
    """The files in memory; blocks while it reads them."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str]] = {}
        self._names: dict[str, str] = {}
        for path in sorted(FOLDER.iterdir()):
            if path.suffix not in _CONTENT_TYPES:
                continue
            content = path.read_bytes()
            digest = sha256(content).hexdigest()[:_HASH_LENGTH]
            self._names[path.name] = f"{path.stem}.{digest}{path.suffix}"
            for name in (path.name, self._names[path.name]):
                self._files[name] = (content, _CONTENT_TYPES[path.suffix])

    def path(self, name: str) -> str:
        """The path of a file, which changes with its content."""
        return f"/static/{self._names[name]}"

    def find(self, name: str) -> tuple[bytes, str] | None:
        """The content and the type of a file, by its name with the hash or without."""
        return self._files.get(name)

    def is_hashed(self, name: str) -> bool:
        """Whether a name changes with the content of its file."""
        return name in self._names.values()
