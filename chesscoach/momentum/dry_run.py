"""What the steps of a dry run would have written, so that its later steps find it.

It holds changes alone: what is in the database is read there. In a run that writes, it is empty.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec.structs import replace

from chesscoach.momentum.periods import Kind, Period
from chesscoach.momentum.player import Player, ShownStreak
from chesscoach.momentum.store.events import Entry
from chesscoach.momentum.store.periods import BoardEntry, Result, result_id
from chesscoach.momentum.store.players import ZoneChange
from chesscoach.momentum.streaks import Streak


class DryRun:
    """The changes of a dry run.

    `zones` are those of players who have none yet, or another one. `stored` are players as they
    were before `players` changed, None for new ones. `batches` wait to be applied.
    """

    def __init__(self) -> None:
        self.zones: dict[str, ZoneChange] = {}
        self.zone_names: set[str] = set()
        self.stored: dict[str, Player | None] = {}
        self.players: dict[str, Player] = {}
        self.batches: dict[int, dict[str, list[Entry]]] = {}
        self.keys: set[str] = set()
        self.streaks: dict[str, Streak] = {}
        self.owned: defaultdict[str, set[str]] = defaultdict(set)
        self._boards: defaultdict[str, list[BoardEntry]] = defaultdict(list)
        self.notified: set[str] = set()
        self._points: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._closed: dict[tuple[Kind, str], str] = {}

    def overlay(
        self, players: Mapping[str, Player], user_ids: Collection[str]
    ) -> dict[str, Player]:
        """Players as this run would have left them; among them are the new ones of some users."""
        changed = {user: self.players[user] for user in user_ids if user in self.players}
        return {user: self._zoned(player) for user, player in {**players, **changed}.items()}

    def _zoned(self, player: Player) -> Player:
        change = self.zones.get(player.user_id)
        if change is None:
            return player
        return replace(player, tz=change.tz, closed={**player.closed, **dict(change.closed)})

    def move(self, user_id: str, change: ZoneChange) -> None:
        """Notes the zone that a player would get."""
        self.zones[user_id] = change
        self.zone_names.add(change.tz)

    def change(self, before: Player | None, after: Player) -> None:
        """Notes a player as this run would leave it."""
        self.stored.setdefault(after.user_id, before)
        self.players[after.user_id] = after

    def show(self, player: Player, streak: Streak, fields: Mapping[str, Any]) -> None:
        """Notes a streak, and the fields of progress that show it."""
        shown, seen = fields["momentum_streak"], fields["momentum_streak"]["seen"]
        self.streaks[player.user_id] = streak
        after = replace(
            player,
            shown=ShownStreak(
                current=fields["current_streak"],
                longest=fields["longest_streak"],
                last_activity=fields["last_activity_date"],
            ),
            seen=ShownStreak(current=seen["current"], last_activity=seen["last_activity"]),
            application=(
                shown["application"], shown["application_at"], _day(shown["application_local"]),
            ),
            ours=shown["ours"],
            last_local=_day(fields["last_activity_local"]),
        )  # fmt: skip
        self.change(player, after)

    def add(self, entries: Sequence[Entry], batch: int) -> None:
        """Notes entries of the ledger."""
        by_user = self.batches[batch] = dict[str, list[Entry]]()
        for entry in entries:
            user_id, points = entry.award.user_id, entry.award.points
            self.keys.add(entry.award.key)
            by_user.setdefault(user_id, []).append(entry)
            for key in (entry.week, entry.month):
                if key is not None:
                    self._points[key][user_id] = self._points[key].get(user_id, 0) + points

    def sums(self, key: str, stored: Mapping[str, int], user_ids: Sequence[str]) -> dict[str, int]:
        """The points of some users in a period, with those that this run would add."""
        added = self._points.get(key, {})
        return {
            user_id: stored.get(user_id, 0) + added.get(user_id, 0)
            for user_id in user_ids
            if user_id in stored or user_id in added
        }

    def players_with_streaks(self, names: Collection[str]) -> list[Player]:
        """The players of some zones whose streaks this run would have shown."""
        players, wanted = (self.players[user_id] for user_id in self.streaks), set(names)
        return [player for player in players if player.tz in wanted]

    def without_streaks(self, players: Sequence[Player]) -> list[Player]:
        """Those of some stored players whose streak this run would not have shown yet."""
        found = [player for player in players if player.user_id not in self.streaks]
        return [self._zoned(player) for player in found]

    def close(self, kind: Kind, groups: Mapping[str, Collection[str]]) -> None:
        """Notes that the periods up to each key are final in some zones."""
        self._closed |= {(kind, name): key for key, names in groups.items() for name in names}

    def open_zones(self, kind: Kind, key: str, names: Collection[str]) -> list[str]:
        """Those of some zones in which the period of a key would not be final yet."""
        return [name for name in names if self.closed(kind, name) < key]

    def freeze(self, period: Period, results: Sequence[Result]) -> None:
        """Notes the results of a period that are on its board."""
        self._boards[period.key] += [
            (result_id(result.user_id, period), result.user_id, result.points)
            for result in results
            if result.points >= 1
        ]

    def board(self, period: Period, stored: Sequence[BoardEntry]) -> list[BoardEntry]:
        """The board of a period with the results that this run would add."""
        entries = [*stored, *self._boards[period.key]]
        return sorted(entries, key=lambda entry: (-entry[2], entry[0]))

    def closed(self, kind: Kind, name: str | None) -> str:
        """The key of the last period that would be final in a zone; blank if there is none."""
        return self._closed.get((kind, name or ""), "")

    def users_moved_to(self, names: Collection[str]) -> list[str]:
        """The users whose progress would get one of some zones."""
        wanted = set(names)
        return [user for user, change in self.zones.items() if change.tz in wanted]

    def more_resets(self, kind: Kind, key: str, names: Collection[str]) -> int:
        """How many more counters than the stored ones would be older than the period of a key."""

        def is_older(player: Player | None) -> bool:
            return player is not None and (player.counters[kind].key or "") < key

        wanted = set(names)
        return sum(
            is_older(player) - is_older(self.stored[user_id])
            for user_id, player in self.players.items()
            if self._zoned(player).tz in wanted
        )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text is not None else None
