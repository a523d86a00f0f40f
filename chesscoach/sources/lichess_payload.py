"""What Lichess sends, and the values that it stands for.

Shapes have only what we use; unknown fields are left alone. A published schema calls some fields
required that real responses lack, so all but the least have defaults.
"""

import re
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec
from msgspec import Struct

from chesscoach.sources import pgn as pgns
from chesscoach.sources.game import Game, GameResult, Side, UnfinishedGame, plain_id
from chesscoach.sources.json_elements import BOM, member_text
from chesscoach.sources.response import lenient_decode, to_rating, truncate_word

_STANDARD_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_UNFINISHED_STATUSES = frozenset({"created", "started"})
_DRAWN_STATUSES = frozenset(
    {"draw", "stalemate", "outoftime", "timeout", "insufficientMaterialClaim", "variantEnd"}
)
_KNOWN_STATUSES = _DRAWN_STATUSES | {"mate", "resign", "cheat", "noStart", "unknownFinish"}
_VARIANTS = frozenset(
    {
        "standard",
        "chess960",
        "crazyhouse",
        "antichess",
        "atomic",
        "horde",
        "kingOfTheHill",
        "racingKings",
        "threeCheck",
        "fromPosition",
    }
)
_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_SPEEDS = frozenset(
    {"", "ultraBullet", "bullet", "blitz", "rapid", "classical", "correspondence"}  # or none
)


class UnreadableGame(Struct, frozen=True, kw_only=True):
    """A line that is no game as documented; `external_id` is empty where even that is missing."""

    external_id: str


class AbortedGame(Struct, frozen=True, kw_only=True):
    """A game that was aborted: not to be stored, the source will delete it itself."""

    started_at: datetime


ExportItem: TypeAlias = Game | UnfinishedGame | UnreadableGame


class _User(Struct):
    id: str = ""
    name: str = ""


class _ExportedSide(Struct, rename={"ai_level": "aiLevel"}):
    user: _User | None = None
    ai_level: int | None = None
    name: str | None = None
    rating: float | None = None


class _ExportedSides(Struct):
    white: _ExportedSide | None = None
    black: _ExportedSide | None = None


class _Opening(Struct):
    eco: str = ""
    name: str = ""


class _Clock(Struct):
    initial: int = 0
    increment: int = 0


class _ExportedGame(Struct, rename="camel"):
    id: str
    created_at: int
    status: str
    last_move_at: int | None = None
    players: _ExportedSides | None = None
    rated: bool | None = None
    variant: str | None = None
    speed: str | None = None
    winner: str | None = None
    moves: str | None = None
    pgn: str | None = None
    initial_fen: str | None = None
    opening: _Opening | None = None
    clock: _Clock | None = None


_game_decoder = msgspec.json.Decoder(_ExportedGame)


def parse_item(line: bytes) -> ExportItem | AbortedGame:
    """A line of an export as a value; an optional field of another kind costs only itself."""
    line = line.removeprefix(BOM)
    try:
        return _game(_game_decoder.decode(line), ())
    except (ValueError, RecursionError):
        pass
    try:
        return _game(*lenient_decode(line, _ExportedGame))
    except (ValueError, RecursionError):
        return UnreadableGame(external_id=plain_id(member_text(line, "id")))


def _game(raw: _ExportedGame, unreadable: tuple[str, ...]) -> ExportItem | AbortedGame:
    if not _ID_PATTERN.fullmatch(raw.id):  # it goes into addresses, and among others into a list
        msg = "not the id of a game"
        raise ValueError(msg)
    started = parse_instant(raw.created_at)
    if raw.status in _UNFINISHED_STATUSES:
        return UnfinishedGame(external_id=raw.id, started_at=started)
    if raw.status == "aborted":
        return AbortedGame(started_at=started)
    players = raw.players or _ExportedSides()
    variant, speed = truncate_word(raw.variant, "standard"), truncate_word(raw.speed)
    white, black = _side(players.white or _ExportedSide()), _side(players.black or _ExportedSide())
    result = _result(raw)
    moves = (raw.moves or "").strip()
    url = f"https://lichess.org/{raw.id}"
    try:
        ended = started if raw.last_move_at is None else parse_instant(raw.last_move_at)
    except ValueError:
        ended, unreadable = started, (*unreadable, "last_move_at")
    return Game(
        platform="lichess",
        external_id=raw.id,
        url=url,
        white=white,
        black=black,
        result=result,
        speed=speed,
        variant=variant,
        standard=variant == "standard" and raw.initial_fen in (None, _STANDARD_FEN),
        rated=bool(raw.rated),
        started_at=started,
        ended_at=ended,
        plies=moves.count(" ") + 1 if moves else pgns.count_plies(raw.pgn or ""),
        pgn=raw.pgn or _pgn(raw, url, started, (white, black), result, moves),
        ending=truncate_word(raw.status),
        initial_fen=raw.initial_fen,
        unknown=(*unreadable, *_unknown_fields(raw.status, variant, speed)),
    )


def _unknown_fields(status: str, variant: str, speed: str) -> list[str]:
    """The names of the fields that hold words which the source's documentation does not list."""
    unknown = []
    if status not in _KNOWN_STATUSES:
        unknown.append("status")
    if variant not in _VARIANTS:
        unknown.append("variant")
    if speed not in _SPEEDS:
        unknown.append("speed")
    return unknown


def _pgn(
    raw: _ExportedGame,
    url: str,
    started: datetime,
    sides: tuple[Side, Side],
    result: str,
    moves: str,
) -> str:
    kind = "rated" if raw.rated else "casual"
    clock = f"{raw.clock.initial}+{raw.clock.increment}" if raw.clock else "-"
    tags = {
        "Event": f"{kind} {raw.speed or 'chess'} game",
        "Site": url,
        "Date": f"{started:%Y.%m.%d}",
        "White": sides[0].name,
        "Black": sides[1].name,
        "Result": result,
        "UTCDate": f"{started:%Y.%m.%d}",
        "UTCTime": f"{started:%H:%M:%S}",
        "WhiteElo": sides[0].rating,
        "BlackElo": sides[1].rating,
        "Variant": "" if raw.variant == "standard" else raw.variant,
        "FEN": raw.initial_fen,
        "SetUp": "1" if raw.initial_fen else "",
        "TimeControl": clock,
        "ECO": raw.opening.eco if raw.opening else "",
        "Opening": raw.opening.name if raw.opening else "",
    }
    return pgns.format_pgn(tags, moves.split())


def _result(raw: _ExportedGame) -> GameResult:
    if raw.winner == "white":
        return "1-0"
    if raw.winner == "black":
        return "0-1"
    return "1/2-1/2" if raw.status in _DRAWN_STATUSES else "*"


def _side(raw: _ExportedSide) -> Side:
    if raw.user is not None and (name := raw.user.name or raw.user.id):
        key = (raw.user.id or name).lower()
        return Side(name=name, key=key, rating=to_rating(raw.rating))
    if raw.ai_level is not None:
        return Side(name=f"Stockfish level {raw.ai_level}", key=None)
    return Side(name=raw.name or "Anonymous", key=None)


def parse_instant(ms: int) -> datetime:
    """An instant of Unix milliseconds; ten digits can only be seconds and are read as such.

    Raises:
        ValueError: it can be neither, for it lies before 2001 or after 2286.
    """
    if 10**9 <= ms < 10**10:
        ms *= 1000
    if not 10**12 <= ms < 10**13:
        msg = "not Unix milliseconds"
        raise ValueError(msg)
    return datetime.fromtimestamp(ms / 1000, UTC)
