"""Chess.com: an account's archive months, asked for only if they changed.

Facts behind it: addresses want lower-case names; a game's `uuid` is its identity, its `url` is
not; a player may be renamed, his `uuid` in the games stays; `ETag` is echoed as it came.
"""

import re
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from chesscoach.errors import BadReply, PlayerMissing
from chesscoach.models import Game, Result, Side, plain_id
from chesscoach.sources import pgn as pgns
from chesscoach.sources.client import Site
from chesscoach.sources.reply import body, complaint, whole_rating

_MONTH_BYTES = 64 * 1024 * 1024
_DRAWN = frozenset(
    {"agreed", "repetition", "stalemate", "insufficient", "50move", "timevsinsufficient"}
)
_LOST = frozenset(
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
_USUAL = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_TAG = re.compile(r'^\[(\w+) "([^"]*)"\]', re.MULTILINE)


class Month(Struct, frozen=True, kw_only=True):
    """A month's reply; `changed` is False if it is still what the given ETag stands for."""

    changed: bool
    etag: str | None = None
    games: tuple[Game, ...] = ()
    unreadable: tuple[str, ...] = ()


class _Side(Struct):
    username: str | None = None
    uuid: str | None = None
    rating: float | None = None
    result: str | None = None


class _Game(Struct):
    end_time: int
    url: str | None = None
    uuid: str | None = None
    pgn: str | None = None
    rated: bool | None = None
    rules: str | None = None
    time_class: str | None = None
    initial_setup: str | None = None
    start_time: int | None = None
    white: _Side | None = None
    black: _Side | None = None


class _Archive(Struct):
    games: list[msgspec.Raw] = []


class _Id(Struct):
    uuid: str | None = None
    url: str | None = None


_archive_decoder = msgspec.json.Decoder(_Archive)
_game_decoder = msgspec.json.Decoder(_Game)
_id_decoder = msgspec.json.Decoder(_Id)


class Chesscom:
    """What we ask of Chess.com."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def month(self, name: str, month: str, etag: str | None) -> Month:
        """The games of an account that ended in a month (`2026-11`).

        Raises:
            PlayerMissing: there is no such player.
            BadReply: anything that is not a month; the site's own "internal error" among it, which
                passes and says nothing of the account.
        """
        path = f"/player/{name}/games/{month[:4]}/{month[5:]}"
        headers = {"If-None-Match": etag} if etag else {}
        async with self.site.ask("GET", path, headers=headers, total_s=120.0) as response:
            if response.status == 304:
                return Month(changed=False, etag=etag)
            if response.status == 410:
                return Month(changed=True)  # there is nothing and there will be nothing
            if response.status == 404:
                return _missing(await complaint(response), month)
            if response.status != 200:
                msg = f"the site answered {response.status} to a request for a month"
                raise BadReply(msg)
            text = await body(response, _MONTH_BYTES)
            return _month(text, response.headers.get("ETag"))


def _missing(message: str, month: str) -> Month:
    if "date cannot be set in the future" in message.lower():
        return Month(changed=True)  # the site's clock has not reached that month
    if message.lower().startswith("user ") and "not found" in message.lower():
        msg = "Chess.com knows no such player"
        raise PlayerMissing(msg)
    msg = f"Chess.com did not find the month {month}, though not for want of the player"
    raise BadReply(msg)


def _month(text: bytes, etag: str | None) -> Month:
    try:
        raws = _archive_decoder.decode(text).games
    except (msgspec.MsgspecError, RecursionError) as error:
        msg = f"a month that cannot be read ({type(error).__name__})"
        raise BadReply(msg) from None
    games: list[Game] = []
    unreadable: list[str] = []
    for raw in raws:
        try:
            games.append(_game(_game_decoder.decode(raw)))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            unreadable.append(_name_of(raw))
    return Month(changed=True, etag=etag, games=tuple(games), unreadable=tuple(unreadable))


def _name_of(raw: msgspec.Raw) -> str:
    try:
        named = _id_decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return plain_id(named.uuid or (named.url or "").rpartition("/")[2])


def _game(raw: _Game) -> Game:
    if not raw.uuid and not raw.url:
        msg = "a game without an identity"
        raise ValueError(msg)
    pgn = raw.pgn or ""
    tags = dict(_TAG.findall(pgn[:4000]))
    white, black, rules = raw.white or _Side(), raw.black or _Side(), raw.rules or "chess"
    return Game(
        platform="chess.com",
        external_id=raw.uuid or raw.url or "",
        url=raw.url or f"https://www.chess.com/game/{raw.uuid}",
        white=_side(white),
        black=_side(black),
        result=_result(white.result, black.result, tags),
        speed=raw.time_class or "",
        variant=rules,
        standard=rules == "chess" and raw.initial_setup in (None, "", _USUAL),
        rated=bool(raw.rated),
        started_at=_started(raw, tags),
        ended_at=_instant(raw.end_time),
        plies=pgns.plies_in(pgn),
        pgn=pgn,
    )


def _side(raw: _Side) -> Side:
    return Side(name=raw.username or "", key=raw.uuid, rating=whole_rating(raw.rating))


def _result(white: str | None, black: str | None, tags: dict[str, str]) -> Result:
    """From the sides' codes; from the PGN where both are codes that we do not know."""
    if white == "win" or black in _LOST:
        return "1-0"
    if black == "win" or white in _LOST:
        return "0-1"
    if white in _DRAWN or black in _DRAWN:
        return "1/2-1/2"
    told = tags.get("Result", "*")
    return told if told in ("1-0", "0-1", "1/2-1/2") else "*"  # type: ignore[return-value]  # mypy does not narrow by `in`


def _started(raw: _Game, tags: dict[str, str]) -> datetime | None:
    if raw.start_time is not None:
        return _instant(raw.start_time)
    try:
        told = f"{tags['UTCDate']} {tags['UTCTime']}"
        return datetime.strptime(told, "%Y.%m.%d %H:%M:%S").replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None


def _instant(seconds: int) -> datetime:
    if not 10**9 <= seconds < 10**11:
        msg = "not Unix seconds"
        raise ValueError(msg)
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
