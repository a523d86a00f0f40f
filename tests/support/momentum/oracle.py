"""The rules of momentum, told a second time: one player after the other, in plain loops.

It knows what a player did and when, and says what must be in the database once every check up to an
instant has run. It shares no code with the package.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct
from msgspec.structs import replace

Kind = Literal["game", "analysis", "puzzle", "reflection"]

LEVELS = (
    *(0, 100, 250, 500, 800, 1200, 1700, 2300, 3000, 4000),
    *(5200, 6500, 8000, 10000, 12500, 15500, 19000, 23000, 28000, 35000),
)
COUNT_ACHIEVEMENTS = (
    ("first_steps", "games_imported", 1, 50),
    ("curious_mind", "games_analyzed", 1, 50),
    ("analyst", "games_analyzed", 5, 100),
    ("deep_thinker", "games_analyzed", 25, 250),
    ("game_scholar", "games_analyzed", 100, 500),
    ("sharp_player", "best_accuracy", 80, 100),
    ("precision_master", "best_accuracy", 90, 200),
    ("computer_like", "best_accuracy", 95, 350),
    ("careful_player", "no_blunders_games", 1, 75),
    ("blunder_free_warrior", "no_blunders_games", 5, 200),
    ("fortress", "no_blunders_games", 10, 400),
    ("puzzle_starter", "puzzles_solved", 1, 50),
    ("tactical_eye", "puzzles_solved", 10, 100),
    ("tactical_tiger", "puzzles_solved", 50, 250),
    ("puzzle_master", "puzzles_solved", 200, 500),
    ("speed_demon", "fast_puzzles", 10, 200),
    ("on_fire", "streak", 3, 75),
    ("dedicated_student", "streak", 7, 150),
    ("vishys_apprentice", "streak", 14, 300),
    ("chess_warrior", "streak", 30, 500),
)
LEVEL_ACHIEVEMENTS = (
    ("rising_star", 5, 100),
    ("climbing_ranks", 10, 200),
    ("elite_player", 15, 350),
    ("grandmaster_material", 20, 1000),
)
LEGEND_POINTS, LEGEND_REWARD = 100, 200


class Evidence(Struct, frozen=True, kw_only=True):
    """One thing that a player did, which the application has not paid."""

    kind: Kind
    at: datetime
    accuracy: float = 71.5
    blunders: int = 1
    solved: bool | None = None
    seconds: float = 45


class Session(Struct, frozen=True, kw_only=True):
    """A training session; it gets its final status at noon of its day."""

    day: date
    status: str

    def settled_at(self, zone: ZoneInfo) -> datetime:
        """The instant from which its status is final."""
        return datetime.combine(self.day, time(12), zone).astimezone(UTC)


class PlayerHistory(Struct, kw_only=True):
    """A player, and all that they did; no points before.

    Without `has_progress`, the progress document is made for the first activity. Periods that
    closed before that have no result.
    """

    user_id: str
    timezone: str
    evidence: list[Evidence]
    sessions: list[Session]
    has_progress: bool = True

    @property
    def zone(self) -> ZoneInfo:
        """The zone that counts."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def local_day(self, at: datetime) -> date:
        """The player's date at an instant."""
        return at.astimezone(self.zone).date()


class Period(Struct, frozen=True, kw_only=True):
    """The result of a closed week or month, without its points."""

    planned: int
    done: int
    perfect: bool
    rank: int | None = None


class Result(Struct, kw_only=True):
    """What must be stored of a player. `rewards` are those of achievements and belong to no day."""

    points_by_day: dict[date, int]
    bonuses: dict[str, int]
    weeks: dict[str, Period]
    months: dict[str, Period]
    achievements: set[str]
    rewards: int
    level: int
    streak: int
    longest: int

    @property
    def xp(self) -> int:
        """All points."""
        return sum(self.points_by_day.values()) + sum(self.bonuses.values()) + self.rewards


WeekPoints = Mapping[str, Mapping[str, int]]
"""The points of each player in each week."""


def results(
    players: Sequence[PlayerHistory], begun: datetime, now: datetime, points: WeekPoints
) -> dict[str, Result]:
    """What must be stored of each player at `now`, where the first check ran at `begun`.

    The ledger's points of weeks decide about ranks.
    """
    found = {player.user_id: _result(player, begun, now) for player in players}
    _rank(found, now, points)
    for result in found.values():
        _unlock_by_level(result)
    return found


def week_key(day: date) -> str:
    """The ISO week of a date."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def month_key(day: date) -> str:
    """The month of a date."""
    return f"{day:%Y-%m}"


def active_days(player: PlayerHistory, now: datetime) -> set[date]:
    """The local dates on which a player was active; an import is no activity."""
    days = {player.local_day(e.at) for e in player.evidence if e.at <= now and e.kind != "game"}
    return days | {session.day for session in _completed(player, now)}


def _completed(player: PlayerHistory, now: datetime) -> list[Session]:
    sessions = (s for s in player.sessions if s.status == "completed")
    return [session for session in sessions if session.settled_at(player.zone) <= now]


def longest_run(days: Iterable[date]) -> int:
    """The most days in a row."""
    longest, run, last = 0, 0, None
    for day in sorted(days):
        run = run + 1 if last is not None and (day - last).days == 1 else 1
        longest, last = max(longest, run), day
    return longest


def _result(player: PlayerHistory, begun: datetime, now: datetime) -> Result:
    days: dict[date, int] = defaultdict(int)
    stats: dict[str, float] = defaultdict(float)
    for item in player.evidence:
        if item.at <= now:
            days[player.local_day(item.at)] += _pay(item, stats)
    today = player.local_day(now)
    for session in _completed(player, now):
        days[session.day] += 7
    streak = 0
    active = active_days(player, now)
    for day in sorted(active):
        streak = streak + 1 if day - timedelta(days=1) in active else 1
        if streak > 1:
            days[day] += 20 * min(streak, 7) + {7: 100, 30: 500}.get(streak, 0)
    longest = longest_run(active)
    stats["streak"] = longest
    alive = bool(active) and today - max(active) <= timedelta(days=1)
    result = Result(
        points_by_day=dict(days),
        bonuses={},
        weeks={},
        months={},
        achievements={name for name, stat, limit, _ in COUNT_ACHIEVEMENTS if stats[stat] >= limit},
        rewards=0,
        level=1,
        streak=streak if alive else 0,
        longest=longest,
    )
    result.rewards = sum(
        reward for name, *_, reward in COUNT_ACHIEVEMENTS if name in result.achievements
    )
    _close(player, result, begun, now)
    return result


def _pay(item: Evidence, stats: dict[str, float]) -> int:
    match item.kind:
        case "game":
            stats["games_imported"] += 1
            return 5
        case "analysis":
            stats["games_analyzed"] += 1
            stats["best_accuracy"] = max(stats["best_accuracy"], item.accuracy)
            stats["no_blunders_games"] += item.blunders == 0
            return 25 + 30 * (item.accuracy >= 90) + 20 * (item.blunders == 0)
        case "puzzle":
            if not item.solved:
                return 0
            fast = item.seconds <= 30
            stats["puzzles_solved"] += 1
            stats["fast_puzzles"] += fast
            return 25 if fast else 15
        case "reflection":
            return 10


def _close(player: PlayerHistory, result: Result, begun: datetime, now: datetime) -> None:
    """Closes every week and month that ended since the beginning: at six on the next local day."""
    first, today = player.local_day(begun), player.local_day(now)
    periods: list[tuple[Literal["week", "month"], list[date]]] = []
    day = first - timedelta(days=40)
    while day < today:
        if day.weekday() == 0:
            periods.append(("week", [day + timedelta(days=n) for n in range(7)]))
        if day.day == 1:
            periods.append(("month", list(_month_days(day))))
        day += timedelta(days=1)
    for kind, days in periods:
        closes = datetime.combine(days[-1] + timedelta(days=1), time(6), player.zone)
        if not begun < closes.astimezone(UTC) <= now:
            continue
        if not player.has_progress and not _is_active_by(player, closes):
            continue
        planned = [s for s in player.sessions if s.day in days and s.status != "cancelled"]
        done = sum(session.status == "completed" for session in planned)
        perfect = done == len(planned) >= (1 if kind == "week" else 10)
        key = week_key(days[-1]) if kind == "week" else month_key(days[-1])
        if perfect:
            result.bonuses[f"{kind} {days[-1]}"] = 30 if kind == "week" else 150
        into = result.weeks if kind == "week" else result.months
        into[key] = Period(planned=len(planned), done=done, perfect=perfect)


def _is_active_by(player: PlayerHistory, at: datetime) -> bool:
    return any(item.at <= at for item in player.evidence) or bool(_completed(player, at))


def _month_days(first: date) -> Iterator[date]:
    day = first
    while day.month == first.month:
        yield day
        day += timedelta(days=1)


def _rank(found: dict[str, Result], now: datetime, points: WeekPoints) -> None:
    """Ranks each week at 18:00 UTC on the Monday after it; the first with a hundred are legends."""
    for key in sorted({key for result in found.values() for key in result.weeks}):
        monday = datetime.strptime(f"{key}-1", "%G-W%V-%u").replace(tzinfo=UTC)
        if now < monday + timedelta(days=7, hours=18):
            continue
        board = {
            user: own
            for user, own in points.get(key, {}).items()
            if key in found[user].weeks and own >= 1
        }
        for user, own in board.items():
            result, period = found[user], found[user].weeks[key]
            rank = 1 + sum(other > own for other in board.values())
            result.weeks[key] = replace(period, rank=rank)
            legend = rank == 1 and own >= LEGEND_POINTS
            if legend and "leaderboard_legend" not in result.achievements:
                result.achievements.add("leaderboard_legend")
                result.rewards += LEGEND_REWARD


def _unlock_by_level(result: Result) -> None:
    """A reward can lift a player to the level of the next."""
    while True:
        result.level = sum(xp <= result.xp for xp in LEVELS)
        new = [
            (name, reward)
            for name, level, reward in LEVEL_ACHIEVEMENTS
            if result.level >= level and name not in result.achievements
        ]
        if not new:
            return
        for name, reward in new:
            result.achievements.add(name)
            result.rewards += reward
