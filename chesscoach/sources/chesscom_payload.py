"""What Chess.com sends, and the values that it stands for.

Shapes have only what we use; unknown fields are left alone, and all but the least have defaults.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from chesscoach.errors import BadResponse
from chesscoach.sources import pgn as pgns
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.game import Game, GameResult, Side, plain_id
from chesscoach.sources.json_elements import array_elements, member_text
from chesscoach.sources.response import lenient_decode, to_rating, truncate_word

_DRAW_CODES = frozenset(
    {"agreed", "repetition", "stalemate", "insufficient", "50move", "timevsinsufficient"}
)
_LOSS_CODES = frozenset(
    {
        "checkmated",
        "timeout",
        "resigned",
        "lose",
        "abandoned",
        "kingofthehill",
        "threecheck",
        "bughousepartnerlose",
    }
)
_SPEEDS = frozenset({"daily", "rapid", "blitz", "bullet"})
_RULES = frozenset({"chess", "chess960", "bughouse", "kingofthehill", "threecheck", "crazyhouse"})
_MAX_GAME_BYTES = 1024 * 1024
_STANDARD_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_TAG_PATTERN = re.compile(r'^\[(\w+) "([^"]*)"\]', re.MULTILINE)


class _ArchivedSide(Struct):
    username: str | None = None
    uuid: str | None = None
    rating: float | None = None
    result: str | None = None


class _Accuracies(Struct):
    white: float | None = None
    black: float | None = None


class _ArchivedGame(Struct):
    end_time: int
    url: str | None = None
    uuid: str | None = None
    pgn: str | None = None
    rated: bool | None = None
    rules: str | None = None
    time_class: str | None = None
    initial_setup: str | None = None
    start_time: int | None = None
    accuracies: _Accuracies | None = None
    white: _ArchivedSide | None = None
    black: _ArchivedSide | None = None


class Profile(Struct):
    """What a profile says of a player; `status` begins with "closed" if the account is closed."""

    username: str = ""
    status: str = ""


class _Archive(Struct):
    games: list[msgspec.Raw] = []


_archive_decoder = msgspec.json.Decoder(_Archive)
_game_decoder = msgspec.json.Decoder(_ArchivedGame)
_profile_decoder = msgspec.json.Decoder(Profile)


def parse_month(text: bytes, etag: str | None) -> ArchiveMonth:
    """A month's response as values; a game that is not even JSON is one that cannot be read.

    Raises:
        BadResponse: it is no archive of games.
    """
    raws = _split_month(text)
    games: list[Game] = []
    unreadable: list[str] = []
    for raw in raws:
        game = _parse_game(raw)
        if game is None:
            unreadable.append(_name_of(raw))
        else:
            games.append(game)
    return ArchiveMonth(changed=True, etag=etag, games=tuple(games), unreadable=tuple(unreadable))


def _split_month(text: bytes) -> Sequence[msgspec.Raw | bytes]:
    try:
        return _archive_decoder.decode(text).games
    except (ValueError, RecursionError):
        pass
    try:
        return array_elements(text, "games")
    except msgspec.DecodeError as error:
        msg = f"a month that cannot be read ({type(error).__name__})"
        raise BadResponse(msg) from None


def parse_profile(text: bytes) -> Profile:
    """Returns a player's profile; a text in it that is not JSON counts as missing.

    Raises:
        BadResponse: the response is not a profile.
    """
    try:
        return _profile_decoder.decode(text)
    except (ValueError, RecursionError) as error:
        profile = Profile(
            username=member_text(text, "username"), status=member_text(text, "status")
        )
        if profile.username and profile.status:
            return profile
        msg = f"a profile that cannot be read ({type(error).__name__})"
        raise BadResponse(msg) from None


def _parse_game(raw: msgspec.Raw | bytes) -> Game | None:
    """A game of a month; an optional field of another kind costs only itself."""
    if len(memoryview(raw)) > _MAX_GAME_BYTES:
        return None
    try:
        return _game(_game_decoder.decode(raw), ())
    except (ValueError, RecursionError):
        pass
    try:
        return _game(*lenient_decode(raw, _ArchivedGame))
    except (ValueError, RecursionError):
        return None


def _name_of(raw: msgspec.Raw | bytes) -> str:
    text = bytes(raw)
    return plain_id(member_text(text, "uuid") or member_text(text, "url").rpartition("/")[2])


def _game(raw: _ArchivedGame, unreadable: tuple[str, ...]) -> Game:
    if not raw.uuid and not raw.url:
        msg = "a game without uuid and url"
        raise ValueError(msg)
    pgn = raw.pgn or ""
    tags = dict(_TAG_PATTERN.findall(pgn[:4000]))
    white, black = raw.white or _ArchivedSide(), raw.black or _ArchivedSide()
    rules, speed = truncate_word(raw.rules, "chess"), truncate_word(raw.time_class)
    usual = raw.initial_setup in (None, "", _STANDARD_FEN)
    try:
        started = _started_at(raw, tags)
    except ValueError:
        started, unreadable = None, (*unreadable, "start_time")
    return Game(
        platform="chess.com",
        external_id=raw.uuid or raw.url or "",
        url=raw.url or f"https://www.chess.com/game/{raw.uuid}",
        white=_side(white),
        black=_side(black),
        result=_result(white.result, black.result, tags),
        speed=speed,
        variant=rules,
        standard=rules == "chess" and usual,
        rated=bool(raw.rated),
        started_at=started,
        ended_at=_instant(raw.end_time),
        plies=pgns.count_plies(pgn),
        pgn=pgn,
        ending=truncate_word(black.result if white.result == "win" else white.result),
        initial_fen=None if usual else raw.initial_setup,
        accuracies=_accuracies(raw.accuracies),
        unknown=(*unreadable, *_unknown_fields(white.result, black.result, rules, speed)),
    )


def _accuracies(raw: _Accuracies | None) -> tuple[float, float] | None:
    if raw is None or raw.white is None or raw.black is None:
        return None
    return raw.white, raw.black


def _unknown_fields(white: str | None, black: str | None, rules: str, speed: str) -> list[str]:
    """The names of the fields that hold words which the source's documentation does not list."""
    codes = _DRAW_CODES | _LOSS_CODES | {"win", None}
    known = (
        ("result", white, codes),
        ("result", black, codes),
        ("variant", rules, _RULES),
        ("speed", speed, _SPEEDS | {""}),
    )
    return [field for field, value, words in known if value not in words]


def _side(raw: _ArchivedSide) -> Side:
    return Side(name=raw.username or "", key=raw.uuid, rating=to_rating(raw.rating))


def _result(white: str | None, black: str | None, tags: dict[str, str]) -> GameResult:
    """From the sides' codes; from the PGN where these contradict each other or say nothing.

    Both sides are `abandoned` in a game that ended without a winner.
    """
    white_won = white == "win" or black in _LOSS_CODES
    black_won = black == "win" or white in _LOSS_CODES
    if white_won != black_won:
        return "1-0" if white_won else "0-1"
    if not white_won and (white in _DRAW_CODES or black in _DRAW_CODES):
        return "1/2-1/2"
    result = tags.get("Result", "*")
    return result if result in ("1-0", "0-1", "1/2-1/2") else "*"  # type: ignore[return-value]  # mypy does not narrow by `in`


def _started_at(raw: _ArchivedGame, tags: dict[str, str]) -> datetime | None:
    if raw.start_time is not None:
        return _instant(raw.start_time)
    try:
        date_time = f"{tags['UTCDate']} {tags['UTCTime']}"
        return datetime.strptime(date_time, "%Y.%m.%d %H:%M:%S").replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None


def _instant(seconds: int) -> datetime:
    """An instant of Unix seconds; thirteen digits can only be milliseconds and are read as such."""
    if 10**12 <= seconds < 10**13:
        seconds //= 1000
    if not 10**9 <= seconds < 10**10:
        msg = "not Unix seconds"
        raise ValueError(msg)
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
