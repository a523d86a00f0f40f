"""One rule's way through its collection: a page, what is over of it, a pause, within a limit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from chesscoach import log
from chesscoach.cleanup.context import CleanupContext
from chesscoach.cleanup.rules import Rule
from chesscoach.cleanup.store.deletion import CandidatePage, ExpiredDocument, PageKey, display_id
from chesscoach.worker.job import Run

_MAX_SAMPLES = 3
_DRY_RUN_EVENTS = {
    "delete": "cleanup_would_delete",
    "requeue": "cleanup_would_requeue",
    "repair": "cleanup_would_repair",
}

FetchPage = Callable[[Rule, PageKey | None, int], Awaitable[CandidatePage]]
ApplyPage = Callable[[Sequence[ExpiredDocument]], Awaitable[int]]


class Affected(Struct):
    """Rows of one kind that were met: how many, and up to three ids of theirs."""

    count: int
    samples: list[str]


class Sweep:
    """A rule at work; what it does is counted in the run's notes as it goes."""

    def __init__(self, ctx: CleanupContext, run: Run, rule: Rule) -> None:
        self._ctx = ctx
        self._run = run
        self._rule = rule
        self._limits = ctx.settings
        self._invalid = Affected(count=0, samples=[])
        self._planned: dict[str, Affected] = {}

    async def delete(self) -> None:
        """Deletes or requeues expired documents; logs those without a valid timestamp."""
        await self._each_page(self._ctx.deleter.page, self._delete_or_requeue)
        if self._invalid.count:
            log.get_logger().warning(
                "cleanup_invalid_timestamps",
                rule=self._rule.name,
                rows=self._invalid.count,
                samples=self._invalid.samples,
            )
        if self._run.dry_run:
            self._planned.setdefault("delete", Affected(count=0, samples=[]))
            self._report()

    async def repair(self) -> None:
        """Makes dates of texts, also of rows that are not over."""
        await self._each_page(self._ctx.deleter.texts, self._repair)
        self._report()

    async def _each_page(self, fetch: FetchPage, act: ApplyPage) -> None:
        """Page by page; ends when the run stops, or at the limit for one run."""
        spent, after = 0, None
        while True:
            wanted = min(self._limits.batch, self._limits.max_deletes_per_run - spent)
            page = await fetch(self._rule, after, self._limits.batch)
            self._count_invalid(page.invalid_ids)
            over = page.expired if self._run.dry_run else page.expired[:wanted]
            spent += await act(over)
            cut = len(over) < len(page.expired)
            if cut or (page.next is not None and spent == self._delete_limit()):
                await self._report_remaining(PageKey(id=over[-1].id) if cut else page.next)
                return
            if page.next is None:
                return
            after = page.next
            if not await self._pause(acted=bool(over)):
                return

    def _delete_limit(self) -> int:
        return -1 if self._run.dry_run else self._limits.max_deletes_per_run

    async def _report_remaining(self, after: PageKey | None) -> None:
        left = await self._ctx.deleter.count_remaining(self._rule, after) if after else 0
        if left:
            self._run.counts.note(f"remaining_{self._rule.name}", left)
            log.get_logger().info("cleanup_incomplete", rule=self._rule.name, rows=left)

    async def _pause(self, *, acted: bool) -> bool:
        """Lets others go first; whether to go on."""
        pause_s = self._limits.pause_s if acted and not self._run.dry_run else 0
        if not self._run.stopping:
            return await self._run.run_interruptible(asyncio.sleep(pause_s))
        self._run.incomplete = True
        return False

    async def _delete_or_requeue(self, rows: Sequence[ExpiredDocument]) -> int:
        """Puts back what may be put back once, and deletes the rest."""
        back = [row for row in rows if self._rule.requeues_as is not None and row.deletable]
        gone = [row for row in rows if self._rule.requeues_as is None or not row.deletable]
        if self._run.dry_run:
            self._note_dry_run("requeue", back)
            self._note_dry_run("delete", gone)
            return len(rows)
        cleaning = self._ctx.deleter
        put_back = await cleaning.requeue(self._rule, back, self._ctx.now())
        self._count("requeued", put_back)
        deleted = await cleaning.delete(self._rule, gone)
        self._count("deleted", deleted)
        return len(rows)

    async def _repair(self, rows: Sequence[ExpiredDocument]) -> int:
        if self._run.dry_run:
            self._note_dry_run("repair", rows)
        else:
            self._count("repaired", await self._ctx.deleter.repair(self._rule, rows))
        return len(rows)

    def _count(self, what: str, rows: int) -> None:
        if rows or what == "deleted":
            self._run.counts.note(f"{what}_{self._rule.name}", rows)

    def _count_invalid(self, ids: Sequence[object]) -> None:
        if ids:
            self._run.counts.note(f"invalid_{self._rule.name}", len(ids))
            self._add(self._invalid, ids)

    def _note_dry_run(self, what: str, rows: Sequence[ExpiredDocument]) -> None:
        if rows:
            seen = self._planned.setdefault(what, Affected(count=0, samples=[]))
            self._add(seen, [row.id for row in rows])

    def _add(self, seen: Affected, ids: Sequence[object]) -> None:
        seen.count += len(ids)
        for each in ids[: _MAX_SAMPLES - len(seen.samples)]:
            seen.samples.append(display_id(self._rule, each))

    def _report(self) -> None:
        """Reports what the run would have done, after a dry run."""
        would, self._planned = self._planned, {}
        for what, seen in would.items():
            report_dry_run(self._run, self._rule.name, what, seen)


def report_dry_run(run: Run, rule: str, what: str, seen: Affected) -> None:
    """Notes what a rule would do, in the run record and in the log."""
    run.counts.note(f"would_{what}_{rule}", seen.count)
    if seen.samples:
        run.counts.notes[f"would_{what}_{rule}_samples"] = ", ".join(seen.samples)
    log.get_logger().info(_DRY_RUN_EVENTS[what], rule=rule, rows=seen.count, samples=seen.samples)
