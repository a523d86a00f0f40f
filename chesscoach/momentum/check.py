"""What the steps of one run share: the instant, the state, and how awards are booked."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chesscoach.momentum import periods
from chesscoach.momentum.booking.evidence import EvidencePage
from chesscoach.momentum.context import MomentumContext
from chesscoach.momentum.dry_run import DryRun
from chesscoach.momentum.periods import Kind
from chesscoach.momentum.player import Player
from chesscoach.momentum.points import Award
from chesscoach.momentum.store.achievements import Unlocked
from chesscoach.momentum.store.events import Entry
from chesscoach.momentum.store.state import State
from chesscoach.momentum.streaks import Streak
from chesscoach.players.store.notifications import Notification
from chesscoach.worker.job import Run


class Check:
    """One run of the checks as of `now`; `state` is kept up to date.

    `user_id` restricts it to one player; then no cursor moves. `booked_until` is how far this run
    has booked evidence, of that player or of all. `page` is the evidence that it has read ahead,
    and `mixed` are the collections with instants of unusual forms in the time that it books.
    `unzoned` are the progress documents without a time zone, by the zone that they would get if
    this were no dry run, and `dry` has what it would have written so far.
    """

    def __init__(
        self,
        ctx: MomentumContext,
        run: Run,
        state: State,
        *,
        now: datetime,
        user_id: str | None = None,
    ) -> None:
        self.ctx = ctx
        self.run = run
        self.state = state
        self.now = now
        self.user_id = user_id
        self.booked_until = state.booked_until
        self.has_booked = False
        self.mixed: list[str] | None = None
        self.page: EvidencePage | None = None
        self._zones: list[str] | None = None
        self.unzoned: dict[str, list[Any]] = {}
        self.dry = DryRun()

    def note(self, name: str, count: int) -> None:
        """Counts what was done, or what a dry run would do."""
        if count:
            self.run.counts.note(f"would_{name}" if self.run.dry_run else name, count)

    async def zones(self) -> list[str]:
        """The time zones in use, or that would be after a dry run; they are read once."""
        if self._zones is None:
            self._zones = await self.ctx.players.zones()
        return sorted({*self._zones, *self.dry.zone_names})

    def forget_zones(self) -> None:
        """Makes `zones` read them again, after some have changed."""
        self._zones = None

    def zone_of(self, player: Player) -> ZoneInfo:
        """The checked zone of a player; the default if there is none yet."""
        return periods.zone_of(player.tz or self.ctx.settings.timezone)

    def filters(self, names: Collection[str] | None = None) -> Iterator[dict[str, Any]]:
        """Filters for the players of some time zones, or of all; the first is for those with one.

        In a dry run the others are for those who have none yet: no period of them is closed.
        """
        user = {"user_id": self.user_id} if self.user_id is not None else {}
        yield {"tz": {"$gt": ""} if names is None else {"$in": list(names)}, **user}
        for name, ids in self.unzoned.items():
            if names is None or name in names:
                for start in range(0, len(ids), self.ctx.settings.batch):
                    yield {"_id": {"$in": ids[start : start + self.ctx.settings.batch]}}

    def is_news(self, player: Player, last: date) -> bool:
        """Whether a streak with that last day ended after our first instant."""
        ended = datetime.combine(last + timedelta(days=2), time.min, self.zone_of(player))
        return ended >= self.state.since

    def entry(self, award: Award, player: Player, as_of: datetime) -> Entry:
        """An award with its periods: those of its day, or the current one where that is final.

        A player who has flown west, and so is back in a week that was over, stays in the newer one.
        """
        if award.lifetime:
            return Entry(award=award, week=None, month=None)
        zone = self.zone_of(player)
        today, real_today = (periods.local_date(at, zone) for at in (as_of, self.now))

        def key(kind: Kind) -> str:
            own, closed = periods.key_of(kind, award.day), player.closed[kind]
            reached = player.counters[kind].key or ""
            if own == periods.key_of(kind, real_today) < reached:
                return reached
            if own > closed:
                return own
            current = periods.key_of(kind, today)
            return current if current > closed else periods.parse_key(kind, closed).after.key

        return Entry(award=award, week=key("week"), month=key("month"))

    async def add(
        self, awards: Iterable[Award], players: Mapping[str, Player], as_of: datetime
    ) -> None:
        """Adds those awards to the ledger whose cause is not in it, as a new batch.

        One command adds them all, so a run that is killed has added all or none.
        """
        by_key = {award.key: award for award in awards}
        existing = await self.ctx.ledger.existing(by_key)
        new = [
            award
            for key, award in by_key.items()
            if key not in existing and key not in self.dry.keys
        ]
        for award in new:
            self.note(f"awards_{award.action}", 1)
            self.note("points", award.points)
        entries = [self.entry(award, players[award.user_id], as_of) for award in new]
        if new and self.run.dry_run:
            self.state = replace(self.state, batch=self.state.batch + 1)
            self.dry.add(entries, self.state.batch)
        elif new:
            batch = await self.ctx.state.take_batch(self.run.fence)
            self.state = replace(self.state, batch=batch)
            await self.ctx.ledger.add(entries, batch)

    async def notify(self, notifications: Iterable[Notification]) -> None:
        """Adds the notifications that the players do not have yet."""
        notifications = list(notifications)
        if self.run.dry_run:
            keys = {notification.key for notification in notifications} - self.dry.notified
            self.dry.notified |= keys
            self.note("notifications", len(keys - await self.ctx.notifications.existing(keys)))
        elif notifications:
            added = await self.ctx.notifications.add_all(notifications, self.now)
            self.note("notifications", added)

    async def players_of(self, user_ids: Collection[str]) -> dict[str, Player]:
        """The players of some users who have progress, or would have it after a dry run."""
        return self.dry.overlay(await self.ctx.progress.of_users(user_ids), user_ids)

    async def owned_by(self, user_ids: Collection[str]) -> dict[str, set[str]]:
        """The ids of the achievements that some users have, by user."""
        owned = await self.ctx.achievements.of_users(user_ids)
        for user_id in user_ids:
            if user_id in self.dry.owned:
                owned[user_id] = owned.get(user_id, set()) | self.dry.owned[user_id]
        return owned

    async def unlock(self, unlocked: Sequence[Unlocked]) -> None:
        """Adds achievements; one that a player has changes nothing."""
        if not self.run.dry_run:
            await self.ctx.achievements.add(unlocked)
            return
        for item in unlocked:
            self.dry.owned[item.user_id].add(item.achievement)

    async def streaks_of(self, user_ids: Collection[str]) -> dict[str, Streak]:
        """Our streaks of those of some users who have one."""
        stored, changed = await self.ctx.streaks.of_users(user_ids), self.dry.streaks
        return stored | {user_id: changed[user_id] for user_id in user_ids if user_id in changed}
