"""The application's twenty levels, as data, and the level of a number of points."""

from bisect import bisect_right

from msgspec import Struct


class Level(Struct, frozen=True, kw_only=True):
    """A level: its number, its name, and the points at which it begins."""

    number: int
    name: str
    xp: int


def _level(number: int, name: str, xp: int) -> Level:
    return Level(number=number, name=name, xp=xp)


LEVELS = (
    _level(1, "Pawn", 0),
    _level(2, "Pawn II", 100),
    _level(3, "Pawn III", 250),
    _level(4, "Knight", 500),
    _level(5, "Knight II", 800),
    _level(6, "Knight III", 1_200),
    _level(7, "Bishop", 1_700),
    _level(8, "Bishop II", 2_300),
    _level(9, "Bishop III", 3_000),
    _level(10, "Rook", 4_000),
    _level(11, "Rook II", 5_200),
    _level(12, "Rook III", 6_500),
    _level(13, "Queen", 8_000),
    _level(14, "Queen II", 10_000),
    _level(15, "Queen III", 12_500),
    _level(16, "King", 15_500),
    _level(17, "King II", 19_000),
    _level(18, "King III", 23_000),
    _level(19, "Master", 28_000),
    _level(20, "Grandmaster", 35_000),
)

_THRESHOLDS = [level.xp for level in LEVELS]


class Band(Struct, frozen=True, kw_only=True):
    """A level, the next one (None at the top), and the percentage of the way to it."""

    level: Level
    next: Level | None
    percent: float


def level_for(xp: float) -> int:
    """The number of the highest level whose points are reached; 1 below zero."""
    return LEVELS[max(0, bisect_right(_THRESHOLDS, xp) - 1)].number


def band_for(xp: float) -> Band:
    """The band of levels that contains a number of points; its percentage has one decimal."""
    number = level_for(xp)
    level = LEVELS[number - 1]
    if number == len(LEVELS):
        return Band(level=level, next=None, percent=100.0)
    following = LEVELS[number]
    share = (xp - level.xp) / (following.xp - level.xp)
    return Band(level=level, next=following, percent=round(100 * min(max(share, 0.0), 1.0), 1))
