"""A run of the job: what became of the sessions up to now, and the sessions ahead.

Sessions are judged first, since an old one never depends on what is made ahead. One routine or
session that is invalid is counted, named and left; it never stops the others.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import StoreFailed
from chesscoach.training.context import TrainingContext
from chesscoach.training.sessions import completion, generation
from chesscoach.training.sessions.completion import Evidence
from chesscoach.training.sessions.routine import KINDS, Kind, Routine, moved_to
from chesscoach.training.sessions.session import StoredSession, Verdict
from chesscoach.training.zones import Zones
from chesscoach.worker.job import Run

_EASTERNMOST = timedelta(hours=14)
"""How far the clocks of any zone are ahead of UTC: what is later has not begun anywhere."""


class SessionsRun:
    """One run as of `now`."""

    def __init__(self, ctx: TrainingContext, run: Run, now: datetime, zones: Zones) -> None:
        self._ctx = ctx
        self._run = run
        self._now = now
        self._zones = zones

    async def judge_sessions(self) -> None:
        """Completes sessions by evidence, and marks those that are missed."""
        last = (self._now.astimezone(UTC) + _EASTERNMOST).date()
        async for page, unreadable in self._ctx.sessions.open_sessions(last, self._batch):
            if self._stopping():
                return
            self._run.counts.candidates += len(page) + len(unreadable)
            for session_id in unreadable:
                self._fail(session=str(session_id)[:80], error="the document cannot be read")
            await self._judge_each(page)

    async def make_sessions(self) -> None:
        """Makes the sessions of all routines ahead."""
        async for page, invalid in self._ctx.routines.pages(self._batch, self._zones):
            if self._stopping():
                return
            self._run.counts.candidates += len(page) + len(invalid)
            for document in invalid:
                self._fail(routine=document.id, user_id=document.user_id, error=document.reason)
            routines = await self._in_users_zones(page)
            made = await generation.generate(
                self._ctx, routines, self._zones, self._now, dry_run=self._run.dry_run
            )
            self._note("added", made.added)
            self._note("moved", made.moved)
            self._note("deleted", made.deleted)
            self._run.counts.done += len(page)
        if not self._run.dry_run and (
            gone := await self._ctx.sessions.orphaned_routines(self._now)
        ):
            self._note("deleted", await self._ctx.sessions.delete_coming(gone, self._now))

    @property
    def _batch(self) -> int:
        return self._ctx.settings.batch

    def _stopping(self) -> bool:
        self._run.incomplete |= self._run.stopping
        return self._run.stopping

    def _note(self, name: str, count: int) -> None:
        if count:
            self._run.counts.note(f"would_be_{name}" if self._run.dry_run else name, count)

    def _fail(self, **fields: str) -> None:
        self._run.counts.failed += 1
        self._run.counts.add_error(**fields)
        log.get_logger().warning("training_document_invalid", **fields)

    async def _in_users_zones(self, routines: Sequence[Routine]) -> list[Routine]:
        """The routines, those without a zone of their own in the zone that their user has now."""
        following = {r.user_id for r in routines if r.zone_source != "routine"}
        wanted = await self._ctx.players.timezones(following)
        return [await self._in_users_zone(routine, wanted) for routine in routines]

    async def _in_users_zone(self, routine: Routine, wanted: Mapping[str, Any]) -> Routine:
        if not routine.zone_is_valid:
            self._zones.note_invalid(routine.user_id)
        if routine.zone_source == "routine":
            return routine
        zone, source = self._zones.of_user(routine.user_id, wanted.get(routine.user_id))
        if zone.key == routine.recurrence.zone.key:
            return routine
        moved = replace(
            moved_to(routine, routine.recurrence.in_zone(zone), source), updated_at=self._now
        )
        if not self._run.dry_run and not await self._ctx.routines.replace(moved):
            return routine  # it has changed since; generating it sees that
        self._note("routines_moved", 1)
        return moved

    async def _judge_each(self, sessions: Sequence[StoredSession]) -> None:
        """Judges sessions. If that fails, halves them until only the session at fault is left."""
        try:
            await self._judge(sessions)
        except StoreFailed as error:
            if len(sessions) == 1:
                (session,) = sessions
                self._fail(session=session.id[:80], user_id=session.user_id, error=str(error))
                return
            middle = len(sessions) // 2
            await self._judge_each(sessions[:middle])
            await self._judge_each(sessions[middle:])
        else:
            self._run.counts.done += len(sessions)

    async def _judge(self, sessions: Sequence[StoredSession]) -> None:
        zones = await self._zones_of(sessions)
        verdicts: list[Verdict] = []
        for kind in KINDS:
            own = [session for session in sessions if session.kind == kind]
            evidence = await self._evidence(kind, own, zones)
            for session in own:
                verdict = completion.judge(
                    session,
                    zones[session.id],
                    evidence.get(session.user_id, ()),
                    self._now,
                    self._ctx.close_hour,
                )
                if verdict is not None:
                    verdicts.append(verdict)
        for status in ("completed", "missed"):
            new = [v for v in verdicts if v.status == status and v.before != status]
            self._note(status, len(new))
        if not self._run.dry_run:
            await self._ctx.sessions.save_verdicts(verdicts)

    async def _evidence(
        self, kind: Kind, sessions: Sequence[StoredSession], zones: Mapping[str, ZoneInfo]
    ) -> dict[str, list[Evidence]]:
        """The evidence of a kind that may concern some sessions, by user."""
        if kind == "manual" or not sessions:
            return {}
        begins = [completion.day_start(s.local_date, zones[s.id]) for s in sessions]
        start, users = min(begins).astimezone(UTC), {session.user_id for session in sessions}
        by_user: dict[str, list[Evidence]] = {}
        if start > self._now:
            return by_user
        for item in await self._ctx.session_evidence.read(kind, users, start, self._now):
            by_user.setdefault(item.user_id, []).append(item)
        return by_user

    async def _zones_of(self, sessions: Sequence[StoredSession]) -> dict[str, ZoneInfo]:
        """The zone of each session: its own, else its user's, else the default."""
        zones = {session.id: self._zones.known(session.timezone) for session in sessions}
        wanted = await self._ctx.players.timezones(
            {session.user_id for session in sessions if zones[session.id] is None}
        )
        found: dict[str, ZoneInfo] = {}
        for session in sessions:
            zone = zones[session.id]
            if zone is None:
                zone, _ = self._zones.of_user(session.user_id, wanted.get(session.user_id))
                if session.timezone is not None:
                    self._zones.note_invalid(session.user_id)
            found[session.id] = zone
        return found


async def run_sessions(
    ctx: TrainingContext, run: Run, now: datetime, *, only_judge: bool = False
) -> None:
    """Judges the sessions up to now, and makes those ahead unless `only_judge`."""
    zones = await Zones.load(ctx.settings.timezone)
    sessions_run = SessionsRun(ctx, run, now, zones)
    await sessions_run.judge_sessions()
    if not only_judge and not run.incomplete:
        await sessions_run.make_sessions()
    zones.report(run)
