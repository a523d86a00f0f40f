"""Restores a backup: the documents of its scope become equal to those of the file.

The file is read three times: to verify all of it before anything changes, to delete what it does
not have, and to store what it has. A restore that was stopped is completed by repeating it.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from chesscoach.errors import BackupFailed
from chesscoach.momentum.admin.backup_file import BackupReader
from chesscoach.momentum.admin.context import AdminContext, Operation, operation
from chesscoach.momentum.store import extended_json
from chesscoach.momentum.store.collections import ALL_COLLECTIONS
from chesscoach.momentum.store.extended_json import StoredDocument


async def restore(ctx: AdminContext, path: Path) -> Operation:
    """Restores a file; the counts are the stored documents of each collection.

    Raises:
        BackupFailed: the file cannot be used, or the database does not have its documents at the
            end, since another process has changed them.
        LeaseHeld: the checks or another command are running.
    """
    try:
        return await _restore(ctx, path)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise BackupFailed(msg) from error


async def _restore(ctx: AdminContext, path: Path) -> Operation:
    reader = await asyncio.to_thread(BackupReader, path)
    scope = reader.scope
    if unknown := sorted(set(scope.collections) - set(ALL_COLLECTIONS)):
        msg = f"{path} cannot be restored: it has other collections: {', '.join(unknown)}"
        raise BackupFailed(msg)
    expected = dict.fromkeys(scope.collections, 0)
    async for name, documents in _pages(reader):
        if name not in expected:
            msg = f"{path} cannot be restored: {name} is not in its scope; nothing was changed"
            raise BackupFailed(msg)
        expected[name] += len(documents)
    flags = {"file": str(path)}
    async with operation(ctx, "restore", flags, scope.user_id) as current:
        await _delete_others(ctx, reader)
        async for name, documents in _pages(reader):
            if documents:
                await ctx.collections.scoped(name).put(documents)
        for name, count in expected.items():
            current.counts[name] = await ctx.collections.scoped(name, scope.user_id).count()
            if current.counts[name] != count:
                msg = (
                    f"{name} has {current.counts[name]} documents after the restore, and {path} "
                    f"has {count}: stop what changes them, then restore again"
                )
                raise BackupFailed(msg)
    return current


async def _delete_others(ctx: AdminContext, reader: BackupReader) -> None:
    """Deletes the documents of the scope that the file does not have.

    This comes first: a document that goes may have a key of a unique index that one in the file
    needs. After a purge most collections are empty, and need no reading.
    """
    user_id = reader.scope.user_id
    for name in reader.scope.collections:
        scoped = ctx.collections.scoped(name, user_id)
        if not await scoped.count():
            continue
        before, kept = None, list[StoredDocument]()
        async for _, documents in _pages(reader, name):
            if kept and user_id is None:
                await scoped.delete_between(before, kept, last=False)
                before, kept = kept[-1], []
            kept = [*kept, *documents]
        await scoped.delete_between(before, kept, last=True)


async def _pages(
    reader: BackupReader, only: str | None = None
) -> AsyncIterator[tuple[str, list[StoredDocument]]]:
    """The pages of a file, or those of one collection; documents are in the order of their ids."""
    pages = reader.pages()
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        name, lines = page
        if only not in (None, name):
            continue
        try:
            yield name, await asyncio.to_thread(list, map(extended_json.from_line, lines))
        except ValueError as error:
            raise reader.unusable(f"a document of {name} cannot be read ({error})") from None
