"""What a document of `user_progress` says, whatever types its fields have."""

import re
from datetime import date

from bson import Decimal128

from chesscoach.momentum.achievements import PlayerStats
from chesscoach.momentum.periods import KINDS, Kind
from chesscoach.momentum.player import Counter, Player, ShownStreak
from chesscoach.mongo import timestamps, values
from chesscoach.mongo.client import Document

STATS = (
    "games_imported",
    "games_analyzed",
    "puzzles_solved",
    "fast_puzzles",
    "no_blunders_games",
)
KEY_PATTERNS: dict[Kind, str] = {"week": r"^\d{4}-W\d\d$", "month": r"^\d{4}-\d\d$"}
PREFIXES: dict[Kind, str] = {"week": "weekly", "month": "monthly"}
_MAX_NUMBER = 2.0**63


def to_player(document: Document) -> Player:
    """The player of a document; a field of another type counts as missing."""
    streak = document.get("momentum_streak")
    streak = streak if isinstance(streak, dict) else {}
    seen = streak.get("seen")
    return Player(
        id=document["_id"],
        user_id=document["user_id"],
        tz=values.to_text(document.get("tz")),
        closed={kind: values.to_text(document.get(f"{kind}_closed")) or "" for kind in KINDS},
        batch=_integer(document.get("momentum_batch")),
        stats=PlayerStats(
            xp=_integer(document.get("xp")),
            best_accuracy=_float(document.get("best_accuracy")),
            **{name: _integer(document.get(name)) for name in STATS},
        ),
        counters={kind: _counter(document, kind) for kind in KINDS},
        shown=ShownStreak(
            current=document.get("current_streak"),
            longest=document.get("longest_streak"),
            last_activity=document.get("last_activity_date"),
        ),
        seen=ShownStreak(current=seen.get("current"), last_activity=seen.get("last_activity"))
        if isinstance(seen, dict)
        else None,
        application=(
            _integer(streak.get("application")),
            timestamps.parse_instant(streak.get("application_at")),
            to_day(streak.get("application_local")),
        ),
        ours=_integer(streak.get("ours")),
        last_local=to_day(document.get("last_activity_local")) or _only_day(document),
    )


def _counter(document: Document, kind: Kind) -> Counter:
    prefix = PREFIXES[kind]
    return Counter(
        key=_key(document.get(f"{prefix}_key"), kind),
        points=_integer(document.get(f"{prefix}_xp")),
        previous_key=_key(document.get(f"{prefix}_prev_key"), kind),
        previous_points=_integer(document.get(f"{prefix}_prev_xp")),
    )


def _key(value: object, kind: Kind) -> str | None:
    """The key of a period; None for another text, which could sort after every key."""
    return value if values.is_text(value) and re.fullmatch(KEY_PATTERNS[kind], value) else None


def _integer(value: object) -> int:
    return value if type(value) is int else int(_float(value))


def _float(value: object) -> float:
    """A number that can be calculated with; 0 for anything else."""
    if isinstance(value, Decimal128):
        decimal = value.to_decimal()
        value = float(decimal) if decimal.is_finite() else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if abs(value) < _MAX_NUMBER else 0.0


def _only_day(document: Document) -> date | None:
    """The day of the last activity where it is stored without an instant."""
    last = document.get("last_activity_date")
    return to_day(last) if timestamps.parse_instant(last) is None else None


def to_day(value: object) -> date | None:
    """The date with which a text begins; None for any other value."""
    if not values.is_text(value):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None
