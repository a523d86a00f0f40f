"""One rule's way through its collection: a page, what is over of it, a pause, within a budget."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from chesscoach import log
from chesscoach.cleanup.rules import Rule
from chesscoach.cleanup.store.deletion import After, Page, Row, shown
from chesscoach.context import Context
from chesscoach.worker.job import Run

_SAMPLES = 3
_WOULD = {
    "delete": "cleanup_would_delete",
    "requeue": "cleanup_would_requeue",
    "repair": "cleanup_would_repair",
}

Fetch = Callable[[Rule, After | None, int], Awaitable[Page]]
Act = Callable[[Sequence[Row]], Awaitable[int]]


class Seen(Struct):
    """Rows of one kind that were met: how many, and up to three ids of theirs."""

    rows: int
    samples: list[str]


class Sweep:
    """A rule at work; what it does is counted in the run's notes as it goes."""

    def __init__(self, ctx: Context, run: Run, rule: Rule) -> None:
        self._ctx = ctx
        self._run = run
        self._rule = rule
        self._limits = ctx.config.cleanup
        self._strays = Seen(rows=0, samples=[])
        self._would: dict[str, Seen] = {}

    async def delete(self) -> None:
        """Takes away what is over, or puts it back where the rule says so; tells of strays."""
        await self._walk(self._ctx.store.cleaning.page, self._end)
        if self._strays.rows:
            log.get_logger().warning(
                "cleanup_strays",
                rule=self._rule.name,
                rows=self._strays.rows,
                samples=self._strays.samples,
            )
        if self._run.dry_run:
            self._would.setdefault("delete", Seen(rows=0, samples=[]))
            self._tell()

    async def repair(self) -> None:
        """Makes dates of texts, also of rows that are not over."""
        await self._walk(self._ctx.store.cleaning.texts, self._repair)
        self._tell()

    async def _walk(self, fetch: Fetch, act: Act) -> None:
        """Page by page; ends at a wish to stop, or when the budget is used up."""
        spent, after = 0, None
        while True:
            wanted = min(self._limits.batch, self._limits.budget - spent)
            page = await fetch(self._rule, after, self._limits.batch)
            self._stray(page.strays)
            over = page.over if self._run.dry_run else page.over[:wanted]
            spent += await act(over)
            cut = len(over) < len(page.over)
            if cut or (page.next is not None and spent == self._budget()):
                await self._leave(After(id=over[-1].id) if cut else page.next)
                return
            if page.next is None:
                return
            after = page.next
            if not await self._pause(acted=bool(over)):
                return

    def _budget(self) -> int:
        return -1 if self._run.dry_run else self._limits.budget

    async def _leave(self, after: After | None) -> None:
        left = await self._ctx.store.cleaning.left(self._rule, after) if after else 0
        if left:
            self._run.counts.note(f"left_{self._rule.name}", left)
            log.get_logger().info("cleanup_left", rule=self._rule.name, rows=left)

    async def _pause(self, *, acted: bool) -> bool:
        """Lets others go first; whether to go on."""
        pause_s = self._limits.pause_s if acted and not self._run.dry_run else 0
        if not self._run.stopping:
            return await self._run.breaks_off(asyncio.sleep(pause_s))
        self._run.unfinished = True
        return False

    async def _end(self, rows: Sequence[Row]) -> int:
        """Puts back what may be put back once, and deletes the rest."""
        back = [row for row in rows if self._rule.again is not None and row.fresh]
        gone = [row for row in rows if self._rule.again is None or not row.fresh]
        if self._run.dry_run:
            self._note_would("requeue", back)
            self._note_would("delete", gone)
            return len(rows)
        cleaning = self._ctx.store.cleaning
        put_back = await cleaning.put_back(self._rule, back, self._ctx.now())
        self._count("requeued", put_back)
        deleted = await cleaning.delete(self._rule, gone)
        self._count("deleted", deleted)
        return len(rows)

    async def _repair(self, rows: Sequence[Row]) -> int:
        if self._run.dry_run:
            self._note_would("repair", rows)
        else:
            self._count("repaired", await self._ctx.store.cleaning.repair(self._rule, rows))
        return len(rows)

    def _count(self, what: str, rows: int) -> None:
        if rows or what == "deleted":
            self._run.counts.note(f"{what}_{self._rule.name}", rows)

    def _stray(self, ids: Sequence[object]) -> None:
        if ids:
            self._run.counts.note(f"strays_{self._rule.name}", len(ids))
            self._add(self._strays, ids)

    def _note_would(self, what: str, rows: Sequence[Row]) -> None:
        if rows:
            seen = self._would.setdefault(what, Seen(rows=0, samples=[]))
            self._add(seen, [row.id for row in rows])

    def _add(self, seen: Seen, ids: Sequence[object]) -> None:
        seen.rows += len(ids)
        for each in ids[: _SAMPLES - len(seen.samples)]:
            seen.samples.append(shown(self._rule, each))

    def _tell(self) -> None:
        """What a rehearsal would have done."""
        would, self._would = self._would, {}
        for what, seen in would.items():
            tell_would(self._run, self._rule.name, what, seen)


def tell_would(run: Run, rule: str, what: str, seen: Seen) -> None:
    """Notes what a rehearsal of a rule would do, in the record and in the log."""
    run.counts.note(f"would_{what}_{rule}", seen.rows)
    if seen.samples:
        run.counts.notes[f"would_{what}_{rule}_samples"] = ", ".join(seen.samples)
    log.get_logger().info(_WOULD[what], rule=rule, rows=seen.rows, samples=seen.samples)
