"""Books the days of streaks: their awards, the streaks themselves, and what pages show of them."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from chesscoach.momentum import notifications, periods, points
from chesscoach.momentum.booking import shown_streak
from chesscoach.momentum.booking.evidence import EvidenceWindow
from chesscoach.momentum.check import Check
from chesscoach.momentum.player import Player
from chesscoach.momentum.points import Award
from chesscoach.momentum.streaks import Change, add_days


class StreakBooking:
    """The streaks of the players who were active in a window, and the awards of their days."""

    def __init__(self, check: Check, players: Mapping[str, Player], after: datetime) -> None:
        self._check = check
        self._players = players
        self._after = after
        self._changes: dict[str, Change] = {}
        self._known: set[str] = set()
        self._days: dict[str, dict[date, tuple[datetime, datetime]]] = {}
        self._paid: set[tuple[str, date]] = set()
        self.awards: list[Award] = []

    @classmethod
    async def prepare(
        cls, check: Check, players: Mapping[str, Player], found: EvidenceWindow, after: datetime
    ) -> "StreakBooking":
        """Reads the streaks of active players and calculates how activity moves them.

        `after` is where the window begins.
        """
        booking = cls(check, players, after)
        booking._collect_days(found)
        await booking._move_streaks()
        return booking

    def _collect_days(self, found: EvidenceWindow) -> None:
        """The local days of activity, with their first and last instants."""
        zones = {user_id: self._check.zone_of(player) for user_id, player in self._players.items()}
        for fact in found.activity:
            if fact.user_id in zones:
                day = periods.local_date(fact.at, zones[fact.user_id])
                days = self._days.setdefault(fact.user_id, {})
                first, last = days.get(day, (fact.at, fact.at))
                days[day] = (min(first, fact.at), max(last, fact.at))
        self._paid = {
            (fact.user_id, periods.local_date(fact.at, zones[fact.user_id]))
            for fact in found.paid_activity
            if fact.user_id in zones
        }

    async def _move_streaks(self) -> None:
        check, users, size = self._check, sorted(self._days), self._check.ctx.settings.batch
        for start in range(0, len(users), size):
            part = users[start : start + size]
            known = await check.streaks_of(part)
            self._known |= known.keys()
            for user_id in part:
                player, streak = self._players[user_id], known.get(user_id)
                application, _ = shown_streak.application_streak(check, player)
                if application.last_local is not None and application.current > 1:
                    self._paid.add((user_id, application.last_local))
                if streak is None or streak.last is None:
                    streak = shown_streak.initial_streak(player, application)
                change = add_days(streak, self._days[user_id])
                if change.grown or user_id not in known or self._is_later(player):
                    self._changes[user_id] = change
                    self._award_days(player, change)

    def _is_later(self, player: Player) -> bool:
        """Whether the activity is later than the last one that pages know of."""
        known = shown_streak.last_activity(player)
        return known is None or self._active_at(player.user_id) > known

    def _active_at(self, user_id: str) -> datetime:
        return max(last for _, last in self._days[user_id].values())

    def _award_days(self, player: Player, change: Change) -> None:
        """The awards of the days by which a streak has grown, unless the application pays them."""
        settings = self._check.ctx.settings
        if "streak_days" not in settings.booked:
            return
        since = periods.local_date(self._check.state.since, self._check.zone_of(player))
        for day, length in change.grown.items():
            if (player.user_id, day) in self._paid or day < since:
                continue
            at = self._days[player.user_id].get(day, (None, None))[0]
            self.awards += [
                Award(
                    action=action,
                    user_id=player.user_id,
                    ref=day.isoformat(),
                    points=amount,
                    at=at or periods.noon(day, self._check.zone_of(player)),
                    day=day,
                    streak=length,
                )
                for action, amount in points.streak_points(settings.amounts, length)
            ]

    async def save(self) -> None:
        """Writes notifications of streaks that ended, what pages show, and at last the streaks.

        A run that is killed before the last write finds the same changes again.
        """
        check = self._check
        check.note("streaks_grown", sum(bool(change.grown) for change in self._changes.values()))
        await check.notify(
            notifications.streak_lost(user_id, last, length)
            for user_id, change in self._changes.items()
            for last, length in change.lost
            if length >= check.ctx.settings.notify_lost_streak
            and check.is_news(self._players[user_id], last)
        )
        shown = [
            (self._players[user_id], self._shown(user_id, change))
            for user_id, change in self._changes.items()
        ]
        if check.run.dry_run:
            for player, fields in shown:
                check.dry.show(player, self._changes[player.user_id].streak, fields)
            return
        await check.ctx.progress.show(shown)
        streaks = {user_id: change.streak for user_id, change in self._changes.items()}
        new = {user_id: streaks.pop(user_id) for user_id in streaks.keys() - self._known}
        await check.ctx.streaks.add(new)
        await check.ctx.streaks.save(streaks)

    def _shown(self, user_id: str, change: Change) -> dict[str, Any]:
        player, active_at = self._players[user_id], self._active_at(user_id)
        # What ends later is ended by the check of streaks, as it is between hourly runs.
        as_of = max(active_at, self._after)
        fields = shown_streak.shown_fields(self._check, player, change.streak, as_of, active_at)
        if change.lost:
            last, length = change.lost[-1]
            fields |= {
                "streak_lost": length,
                "streak_lost_on": (last + timedelta(days=2)).isoformat(),
            }
        return fields
