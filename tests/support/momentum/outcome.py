"""What checks left of players: in the database, or as it was at one time."""

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]
Find = Callable[[str, Mapping[str, Any]], list[Document]]

_COLLECTIONS = (
    *("user_progress", "user_achievements", "notifications"),
    *("momentum_events", "momentum_periods"),
)


class Outcome:
    """Reads what is stored of players; `find` returns documents of a collection by their values."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def stored(self) -> dict[str, list[Document]]:
        """All documents by their collections."""
        return {name: self._find(name, {}) for name in _COLLECTIONS}

    def progress(self, user_id: str = "u1") -> Document:
        """The player's progress document."""
        return self._find("user_progress", {"user_id": user_id})[0]

    def fields(self, *names: str, user_id: str = "u1") -> tuple[Any, ...]:
        """Fields of the player's progress document, None where missing."""
        progress = self.progress(user_id)
        return tuple(progress.get(name) for name in names)

    def week(self, user_id: str = "u1") -> tuple[Any, ...]:
        """The player's points of the week, and the week."""
        return self.fields("weekly_xp", "weekly_key", user_id=user_id)

    def month(self, user_id: str = "u1") -> tuple[Any, ...]:
        """The player's points of the month, and the month."""
        return self.fields("monthly_xp", "monthly_key", user_id=user_id)

    def streak(self, user_id: str = "u1") -> tuple[Any, ...]:
        """The current and the longest streak, as the application shows them."""
        return self.fields("current_streak", "longest_streak", user_id=user_id)

    def events(self, user_id: str = "u1", action: str | None = None) -> list[Document]:
        """The player's lines of the ledger, perhaps of one action."""
        query = {"user_id": user_id} | ({"action": action} if action else {})
        return sorted(self._find("momentum_events", query), key=lambda event: str(event["_id"]))

    def bonuses(self, user_id: str = "u1") -> list[tuple[str, int]]:
        """The player's bonuses of perfect weeks, then of perfect months: period and points."""
        events = self.events(user_id, "perfect_week") + self.events(user_id, "perfect_month")
        return [(event["_id"].rsplit("|", 1)[-1], event["points"]) for event in events]

    def period(self, key: str, user_id: str = "u1") -> Document | None:
        """The result of a closed week or month."""
        kind = "week" if "W" in key else "month"
        found = self._find("momentum_periods", {"_id": f"{user_id}|{kind}|{key}"})
        return found[0] if found else None

    def ranks(self, key: str) -> dict[str, int]:
        """The rank of each player in a period."""
        found = self._find("momentum_periods", {"key": key})
        return {period["user_id"]: period["rank"] for period in found if period["rank"] is not None}

    def notices(self, kind: str, user_id: str = "u1") -> list[Document]:
        """The player's notifications of a kind."""
        return self._find("notifications", {"user_id": user_id, "type": kind})

    def achievements(self, user_id: str = "u1") -> list[str]:
        """What the player has unlocked, in order and with repetitions."""
        found = self._find("user_achievements", {"user_id": user_id})
        return sorted(achievement["achievement_id"] for achievement in found)


def snapshot(db: Any) -> Outcome:
    """What is stored now."""
    stored = {name: list(db[name].find()) for name in _COLLECTIONS}

    def find(name: str, query: Mapping[str, Any]) -> list[Document]:
        return [
            document
            for document in stored[name]
            if all(document.get(field) == value for field, value in query.items())
        ]

    return Outcome(find)
