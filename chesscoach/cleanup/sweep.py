"""Applies one rule to its collection: page by page, with a pause after each page, up to a limit."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct, field

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
    """Documents of one kind: their number, and the ids of up to three of them."""

    count: int = 0
    samples: list[str] = field(default_factory=list)


class Sweep:
    """Applies a rule; the run's notes count what it has done so far."""

    def __init__(self, ctx: CleanupContext, run: Run, rule: Rule) -> None:
        self._ctx = ctx
        self._run = run
        self._rule = rule
        self._limits = ctx.settings
        self._invalid = Affected()
        self._planned: dict[str, Affected] = {}
        self._not_ours = Counter[str]()

    async def delete(self) -> None:
        """Deletes or requeues expired documents; logs those without a valid timestamp."""
        await self._each_page(self._ctx.deleter.page, self._delete_or_requeue)
        if self._invalid.count:
            log.get_logger().warning(
                "cleanup_invalid_timestamps",
                rule=self._rule.name,
                documents=self._invalid.count,
                samples=self._invalid.samples,
            )
        if self._run.dry_run:
            self._planned.setdefault("delete", Affected())
            self._report()

    async def repair(self) -> None:
        """Turns texts into dates, also in documents that have not expired."""
        await self._each_page(self._ctx.deleter.texts, self._repair)
        self._report()

    async def _each_page(self, fetch: FetchPage, act: ApplyPage) -> None:
        """Acts on one page after another, until the run stops or reaches its limit."""
        spent, after = 0, None
        while True:
            wanted = min(self._limits.batch, self._limits.max_deletes_per_run - spent)
            page = await fetch(self._rule, after, self._limits.batch)
            self._count_invalid(page.invalid_ids)
            expired = page.expired if self._run.dry_run else page.expired[:wanted]
            spent += await act(expired)
            cut = len(expired) < len(page.expired)
            if cut or (page.next is not None and spent == self._delete_limit()):
                await self._report_remaining(PageKey(id=expired[-1].id) if cut else page.next)
                return
            if page.next is None:
                return
            after = page.next
            if not await self._pause(acted=bool(expired)):
                return

    def _delete_limit(self) -> int:
        return -1 if self._run.dry_run else self._limits.max_deletes_per_run

    async def _report_remaining(self, after: PageKey | None) -> None:
        remaining = await self._ctx.deleter.count_remaining(self._rule, after) if after else 0
        if remaining:
            self._run.counts.note(f"remaining_{self._rule.name}", remaining)
            log.get_logger().info("cleanup_incomplete", rule=self._rule.name, documents=remaining)

    async def _pause(self, *, acted: bool) -> bool:
        """Leaves the database to others for a moment; False if the run stops."""
        pause_s = self._limits.pause_s if acted and not self._run.dry_run else 0
        if not self._run.stopping:
            return await self._run.run_interruptible(asyncio.sleep(pause_s))
        self._run.incomplete = True
        return False

    async def _delete_or_requeue(self, expired: Sequence[ExpiredDocument]) -> int:
        """Requeues the documents that may be requeued once, and deletes the others."""
        requeues = self._rule.requeues_as is not None
        stale = [document for document in expired if requeues and document.requeueable]
        final = [document for document in expired if not requeues or not document.requeueable]
        if self._run.dry_run:
            self._note_dry_run("requeue", stale)
            self._note_dry_run("delete", final)
            return len(expired)
        now = self._ctx.now()
        for ours in (True, False):
            deleter = self._ctx.deleter
            requeued = [document for document in stale if document.ours is ours]
            deleted = [document for document in final if document.ours is ours]
            self._count("requeued", await deleter.requeue(self._rule, requeued, now), ours)
            self._count("deleted", await deleter.delete(self._rule, deleted), ours)
        return len(expired)

    async def _repair(self, texts: Sequence[ExpiredDocument]) -> int:
        if self._run.dry_run:
            self._note_dry_run("repair", texts)
        else:
            self._count("repaired", await self._ctx.deleter.repair(self._rule, texts))
        return len(texts)

    def _count(self, what: str, count: int, ours: bool = True) -> None:
        """Notes what was done to documents; those of the application are noted separately too."""
        if count or what == "deleted":
            self._run.counts.note(f"{what}_{self._rule.name}", count)
        if count and not ours:
            self._run.counts.note(f"{what}_{self._rule.name}_of_application", count)

    def _count_invalid(self, ids: Sequence[object]) -> None:
        if ids:
            self._run.counts.note(f"invalid_{self._rule.name}", len(ids))
            self._add(self._invalid, ids)

    def _note_dry_run(self, what: str, documents: Sequence[ExpiredDocument]) -> None:
        if documents:
            planned = self._planned.setdefault(what, Affected())
            self._add(planned, [document.id for document in documents])
            self._not_ours[what] += sum(not document.ours for document in documents)

    def _add(self, affected: Affected, ids: Sequence[object]) -> None:
        affected.count += len(ids)
        for document_id in ids[: _MAX_SAMPLES - len(affected.samples)]:
            affected.samples.append(display_id(self._rule, document_id))

    def _report(self) -> None:
        """Reports what the run would have done, after a dry run."""
        planned, self._planned = self._planned, {}
        for what, affected in planned.items():
            report_dry_run(self._run, self._rule.name, what, affected)
            if not_ours := self._not_ours[what]:
                self._run.counts.note(f"would_{what}_{self._rule.name}_of_application", not_ours)


def report_dry_run(run: Run, rule: str, what: str, affected: Affected) -> None:
    """Notes what a rule would do, in the run record and in the log."""
    run.counts.note(f"would_{what}_{rule}", affected.count)
    if affected.samples:
        run.counts.notes[f"would_{what}_{rule}_samples"] = ", ".join(affected.samples)
    log.get_logger().info(
        _DRY_RUN_EVENTS[what], rule=rule, documents=affected.count, samples=affected.samples
    )
