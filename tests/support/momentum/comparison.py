"""What is stored of players, held against the oracle, against itself and against another run."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tests.support.momentum import oracle
from tests.support.momentum.oracle import PlayerHistory

_IDENTITY = {
    "user_progress": ("user_id", "_id"),
    "user_achievements": ("user_id", "achievement_id"),
    "notifications": ("user_id", "notification_id"),
    "momentum_events": ("_id",),
    "momentum_periods": ("_id",),
    "momentum_streaks": ("_id",),
}
_VOLATILE = {
    *("batch", "momentum_batch", "updated_at", "closed_at", "created_at"),
    *("ts", "unlocked_at"),
}
"""When and in which batch something was written may differ between two orders of runs, and so may
the instant of an award of a day, which is that of the day's first activity that is known."""

State = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The documents of each collection by what identifies them."""


def state(db: Any, *, without_kinds: Collection[str] = ()) -> State:
    """All that the checks left, but some kinds of notifications."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, identity in _IDENTITY.items():
        found[name] = {}
        for document in db[name].find({"type": {"$nin": list(without_kinds)}}):
            # The application's ids are random in one database and others in the next.
            id_ = document.pop("_id") if identity != ("_id",) else document["_id"]
            key = str([document.get(field, id_) for field in identity if field != "_id"] or id_)
            repeated = sum(other.split(" #")[0] == key for other in found[name])
            row = {field: value for field, value in document.items() if field not in _VOLATILE}
            found[name][f"{key} #{repeated}" if repeated else key] = row
    return found


def differences(one: State, other: State) -> list[str]:
    """The fields in which two states differ, at most twenty."""
    lines = []
    for name in _IDENTITY:
        for key in sorted({*one[name], *other[name]}):
            first, second = one[name].get(key, {}), other[name].get(key, {})
            lines += [
                f"{name} {key} {field}: {first.get(field)!r} | {second.get(field)!r}"
                for field in sorted({*first, *second})
                if first.get(field) != second.get(field)
            ]
    return lines[:20]


def ledger_errors(db: Any) -> list[str]:
    """Counters that are not the sum of the ledger's lines, and causes that were paid twice."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    causes: dict[Any, int] = defaultdict(int)
    for event in db.momentum_events.find():
        user = event["user_id"]
        causes[event["_id"].split("|", 1)[0], event["_id"].split("|", 1)[1]] += 1
        sums[user, "all"] += event["points"]
        for key in ("week_key", "month_key"):
            if event.get(key):
                sums[user, event[key]] += event["points"]
    errors = [f"{cause} is paid {times} times" for cause, times in causes.items() if times > 1]
    for progress in db.user_progress.find():
        user = progress["user_id"]
        stored = {
            "all": ("momentum_xp", progress.get("momentum_xp")),
            progress.get("weekly_key"): ("weekly_xp", progress.get("weekly_xp")),
            progress.get("monthly_key"): ("monthly_xp", progress.get("monthly_xp")),
            progress.get("weekly_prev_key"): ("weekly_prev_xp", progress.get("weekly_prev_xp")),
            progress.get("monthly_prev_key"): (
                "monthly_prev_xp",
                progress.get("monthly_prev_xp"),
            ),
        }
        for key, (name, value) in stored.items():
            if key is not None and (value or 0) != sums[user, key]:
                errors.append(f"{user}: {name} ({key}) is {value}, the ledger {sums[user, key]}")
    for period in db.momentum_periods.find():
        points = sums[period["user_id"], period["key"]]
        if period["points"] != points:
            errors.append(f"{period['_id']}: {period['points']}, the ledger {points}")
    return errors


def oracle_errors(
    db: Any, players: Sequence[PlayerHistory], begun: datetime, now: datetime
) -> list[str]:
    """What is stored otherwise than the oracle says, a line each."""
    expected = oracle.results(players, begun, now, _week_points(db))
    errors = []
    for player in players:
        user, result = player.user_id, expected[player.user_id]
        progress = db.user_progress.find_one({"user_id": user}) or {}
        owned = [row["achievement_id"] for row in db.user_achievements.find({"user_id": user})]
        by_day, bonuses, rewards = _ledger(db, user)
        pairs = {
            "points by day": (by_day, {day: n for day, n in result.points_by_day.items() if n}),
            "bonuses": (bonuses, sorted(result.bonuses.values())),
            "rewards": (rewards, result.rewards),
            "achievements": (sorted(owned), sorted(result.achievements)),
            "xp": (progress.get("xp", 0), result.xp),
            "level": (progress.get("level", 1), result.level),
            "streak": (progress.get("current_streak", 0), result.streak),
            "longest": (progress.get("longest_streak", 0), result.longest),
            "weeks": (_periods(db, user, "week"), _closed(result.weeks)),
            "months": (_periods(db, user, "month"), _closed(result.months)),
        }
        errors += [
            f"{user} ({player.timezone}) {name}: {stored}, the oracle {wanted}"
            for name, (stored, wanted) in pairs.items()
            if stored != wanted
        ]
    return errors


def _week_points(db: Any) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for event in db.momentum_events.find({"week_key": {"$type": "string"}}):
        found[event["week_key"]][event["user_id"]] += event["points"]
    return found


def _ledger(db: Any, user: str) -> tuple[dict[date, int], list[int], int]:
    """The points of each day, the bonuses, and all rewards."""
    by_day: dict[date, int] = defaultdict(int)
    bonuses, rewards = [], 0
    for event in db.momentum_events.find({"user_id": user}):
        if event["action"].startswith("perfect_"):
            bonuses.append(event["points"])
        elif event["action"].startswith(("ach", "reward")):
            rewards += event["points"]
        else:
            by_day[date.fromisoformat(event["local_date"])] += event["points"]
    return {day: points for day, points in by_day.items() if points}, sorted(bonuses), rewards


def _periods(db: Any, user: str, kind: str) -> dict[str, tuple[Any, ...]]:
    """The periods of a player that have a session or a rank: the others need no document."""
    found = {
        period["key"]: (
            period.get("planned") or 0,
            period.get("done") or 0,
            bool(period.get("perfect")),
            period.get("rank") if kind == "week" else None,
        )
        for period in db.momentum_periods.find({"user_id": user, "kind": kind})
    }
    return {key: period for key, period in found.items() if period != (0, 0, False, None)}


def _closed(periods: Mapping[str, oracle.Period]) -> dict[str, tuple[Any, ...]]:
    found = {
        key: (period.planned, period.done, period.perfect, period.rank)
        for key, period in periods.items()
    }
    return {key: period for key, period in found.items() if period != (0, 0, False, None)}
