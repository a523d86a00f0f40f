"""Writes a backup: all documents of momentum, or those of one user."""

import asyncio
from datetime import datetime
from pathlib import Path

from chesscoach.errors import BackupFailed
from chesscoach.momentum.admin.backup_file import BackupWriter, Scope
from chesscoach.momentum.store import extended_json
from chesscoach.momentum.store.collections import (
    ALL_COLLECTIONS,
    USER_COLLECTIONS,
    MomentumCollections,
)


async def write_backup(
    collections: MomentumCollections, folder: Path, now: datetime, user_id: str | None = None
) -> Path:
    """Writes `momentum_backup_YYYYmmdd_HHMMSS.json`, and returns its path when it is on the disk.

    Raises:
        BackupFailed: the file cannot be written.
    """
    names = ALL_COLLECTIONS if user_id is None else USER_COLLECTIONS
    scope = Scope(collections=names, user_id=user_id)
    return await _write(collections, folder, "momentum_backup", scope, now)


async def write_levels_backup(
    collections: MomentumCollections, folder: Path, now: datetime
) -> Path:
    """Writes `levels_backup_YYYYmmdd_HHMMSS.json`, with the table of levels alone."""
    scope = Scope(collections=("momentum_levels",), user_id=None)
    return await _write(collections, folder, "levels_backup", scope, now)


async def _write(
    collections: MomentumCollections, folder: Path, prefix: str, scope: Scope, now: datetime
) -> Path:
    try:
        writer = await asyncio.to_thread(BackupWriter, folder, prefix, scope, now)
        try:
            for name in scope.collections:
                await asyncio.to_thread(writer.begin, name)
                async for page in collections.scoped(name, scope.user_id).pages():
                    lines = await asyncio.to_thread(list, map(extended_json.to_line, page))
                    fields = {field: None for document in page for field in document}
                    await asyncio.to_thread(writer.add, lines, fields)
            return await asyncio.to_thread(writer.finish)
        finally:
            await asyncio.to_thread(writer.discard)
    except OSError as error:
        msg = f"the backup cannot be written in {folder}: {error.strerror}"
        raise BackupFailed(msg) from error
