"""The notifications of momentum: their keys and their texts. A player has one per key."""

from datetime import date

from chesscoach.momentum.levels import LEVELS
from chesscoach.momentum.periods import Kind, Period
from chesscoach.players.store.notifications import Notification

_PAGE = "/progress"


def level_up(user_id: str, day: date, number: int) -> Notification:
    """The level that a player has reached on a day, however many were passed on the way."""
    name = LEVELS[number - 1].name
    return Notification(
        key=f"level_up|{user_id}|{day.isoformat()}",
        user_id=user_id,
        kind="level_up",
        title=f"Level {number}: {name}",
        message=f"You have reached level {number}, {name}.",
        data={"level": number, "name": name},
        page=_PAGE,
    )


def perfect(user_id: str, period: Period, sessions: int, points: int) -> Notification:
    """A week or month in which all planned training sessions were completed."""
    return Notification(
        key=f"perfect_{period.kind}|{user_id}|{period.key}",
        user_id=user_id,
        kind=f"perfect_{period.kind}",
        title=f"Perfect {period.kind}!",
        message=f"You completed all {sessions} training sessions of {period.key}: {points} points."
        if sessions > 1
        else f"You completed the training session of {period.key}: {points} points.",
        data={"period": period.key, "sessions": sessions, "points": points},
        page=_PAGE,
    )


def streak_lost(user_id: str, last: date, length: int) -> Notification:
    """A streak of days that has ended."""
    return Notification(
        key=f"streak_lost|{user_id}|{last.isoformat()}",
        user_id=user_id,
        kind="streak_lost",
        title="Your streak has ended",
        message=f"Your streak of {length} days has ended. Today can be the first day of a new one.",
        data={"streak": length, "last_day": last.isoformat()},
        page=_PAGE,
    )


def legend(user_id: str, week: str, points: int) -> Notification:
    """The first place of a week, for the first time."""
    return Notification(
        key=f"leaderboard_legend|{user_id}|{week}",
        user_id=user_id,
        kind="leaderboard_legend",
        title="Leaderboard Legend",
        message=f"You led the leaderboard of {week} and have earned {points} points.",
        data={"period": week, "points": points},
        page=_PAGE,
    )


def ranked(user_id: str, kind: Kind, key: str, rank: int, points: int) -> Notification:
    """One of the first three places of a week or month."""
    return Notification(
        key=f"{kind}_rank|{user_id}|{key}",
        user_id=user_id,
        kind=f"{kind}_rank",
        title=f"Rank {rank} in {key}",
        message=f"You are number {rank} on the leaderboard of {key}, with {points} points.",
        data={"period": key, "rank": rank, "points": points},
        page=_PAGE,
    )
