"""The file of a backup: one JSON object, written and read line by line.

Each document is on a line of its own, in the order of the ids, so that no more than a page is in
memory. The file ends with the number of documents in each collection: a file without it was not
written to its end. All functions block.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TextIO

import msgspec
from msgspec import Struct

from chesscoach.errors import BackupFailed

FORMAT_VERSION = 2
"""Version 1 is the file of the old script, which has no points and cannot be restored."""

_PAGE_SIZE = 1000


class Scope(Struct, frozen=True, kw_only=True):
    """What a backup contains: its collections, of all users or of one."""

    collections: tuple[str, ...]
    user_id: str | None


class BackupWriter:
    """A backup that is being written, under a temporary name that only its owner can read."""

    def __init__(self, folder: Path, prefix: str, scope: Scope, now: datetime) -> None:
        self.counts: dict[str, int] = {}
        self._fields: dict[str, dict[str, None]] = {}
        self._path = _free_path(folder, f"{prefix}_{now:%Y%m%d_%H%M%S}")
        self._temporary = folder / f".{self._path.name}.{os.getpid()}.tmp"
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8")
        self._write(f'{{"format_version": {FORMAT_VERSION},\n"created_at": "{now.isoformat()}",')
        self._write(f'\n"scope": {msgspec.json.encode(scope).decode()},\n"table_data": {{')

    def begin(self, collection: str) -> None:
        """Begins a collection."""
        if self.counts:
            self._write("\n],")
        self._write(f"\n{json.dumps(collection)}: [")
        self.counts[collection], self._fields[collection] = 0, {}

    def add(self, lines: Sequence[str], fields: Mapping[str, None]) -> None:
        """Writes documents of the collection that has begun, and notes the names of fields."""
        collection = list(self.counts)[-1]
        for line in lines:
            self._write(f"{',' if self.counts[collection] else ''}\n{line}")
            self.counts[collection] += 1
        self._fields[collection] |= fields

    def finish(self) -> Path:
        """Ends the file, forces it to the disk and gives it its name."""
        columns = {name: list(fields) for name, fields in self._fields.items()}
        self._write(f'\n]\n}},\n"column_data": {json.dumps(columns)},\n')
        self._write(f'"counts": {json.dumps(self.counts)}}}\n')
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.rename(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return self._path

    def discard(self) -> None:
        """Removes what is left of a file that was not finished."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        self._file.write(text)


def _free_path(folder: Path, stem: str) -> Path:
    """The path of a new file; a second one of the same second gets a number."""
    path, number = folder / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.json"
    return path


class BackupReader:
    """A backup that can be read several times."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open(encoding="utf-8") as file:
                head = "".join(islice(file, 3)).rstrip().removesuffix(",") + "}"
            fields = json.loads(head)
            if fields["format_version"] != FORMAT_VERSION:
                raise self.unusable(f"its format is {fields['format_version']}")
            self.scope = msgspec.convert(fields["scope"], Scope)
        except (ValueError, TypeError, LookupError):
            raise self.unusable("its first lines are not those of a backup") from None

    def pages(self) -> Iterator[tuple[str, list[str]]]:
        """The collections and their documents as lines, at most a page of them at a time.

        A collection without documents has one empty page.

        Raises:
            BackupFailed: the file is incomplete or was changed.
        """
        counts: dict[str, int] = {}
        collection, page = "", list[str]()
        with self._path.open(encoding="utf-8") as file:
            lines = islice(file, 4, None)  # the fourth one opens the table of collections
            for line in lines:
                text = line.rstrip("\n").removesuffix(",")
                if text == "]":
                    continue
                if text == "}" or text.endswith(": ["):
                    if collection:
                        yield collection, page
                    if text == "}":
                        break
                    collection, page = json.loads(text.removesuffix(": [")), []
                    counts[collection] = 0
                    continue
                if len(page) == _PAGE_SIZE:
                    yield collection, page
                    page = []
                page.append(text)
                counts[collection] = counts.get(collection, 0) + 1
            self._verify_end("".join(lines), counts)

    def _verify_end(self, text: str, counts: Mapping[str, int]) -> None:
        try:
            written = json.loads(f"{{{text}")["counts"]
        except (ValueError, LookupError):
            raise self.unusable("it was not written to its end") from None
        if written != counts:
            raise self.unusable(f"it has {counts} documents and should have {written}")

    def unusable(self, reason: str) -> BackupFailed:
        """The error for a file that cannot be used."""
        return BackupFailed(f"{self._path} cannot be restored: {reason}; nothing was changed")
