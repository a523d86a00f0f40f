"""Lichess's bulk response on accounts, and the statuses that it stands for."""

from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct

from chesscoach.errors import BadResponse
from chesscoach.sources.json_elements import array_elements, member_text
from chesscoach.sources.lichess_payload import parse_instant
from chesscoach.sources.lichess_status import LichessStatus


class _Perf(Struct):
    games: int = 0


class _PlayTime(Struct):
    total: int = 0


class _Account(Struct, rename="camel"):
    id: str
    disabled: bool = False
    title: str | None = None
    seen_at: int | None = None
    play_time: _PlayTime | None = None
    perfs: dict[str, _Perf] = {}


_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_account_decoder = msgspec.json.Decoder(_Account)


def parse_statuses(text: bytes, names: Collection[str]) -> dict[str, LichessStatus]:
    """A bulk response as values, by name.

    An account that cannot be read says nothing, so it counts as having news. If it has not even an
    id, that holds for all `names` that the response lacks: it may be any of them.

    Raises:
        BadResponse: it is no list of accounts.
    """
    elements = _split_list(text)
    statuses = [status for raw in elements if (status := _parse_status(raw)) is not None]
    if elements and not statuses:
        msg = "a bulk response in which no account has an id"
        raise BadResponse(msg)
    by_name = {status.name: status for status in statuses}
    if len(statuses) < len(elements):
        by_name = {name: LichessStatus(name=name) for name in names} | by_name
    return by_name


def _split_list(text: bytes) -> Sequence[msgspec.Raw | bytes]:
    try:
        return _list_decoder.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        return array_elements(text)
    except msgspec.DecodeError as error:
        msg = f"a bulk response that cannot be read ({type(error).__name__})"
        raise BadResponse(msg) from None


def _parse_status(raw: msgspec.Raw | bytes) -> LichessStatus | None:
    """An account; None if it cannot be read and has no id."""
    try:
        account = _account_decoder.decode(raw)
        seen_at = None if account.seen_at is None else parse_instant(account.seen_at)
    except (ValueError, RecursionError):
        name = member_text(bytes(raw), "id").lower()
        return LichessStatus(name=name) if name else None
    games = sum(perf.games for name, perf in account.perfs.items() if name != "puzzle")
    played = account.play_time.total if account.play_time else 0
    return LichessStatus(
        name=account.id.lower(),
        closed=account.disabled,
        bot=account.title == "BOT",
        seen_at=seen_at,
        fingerprint=f"{account.seen_at}:{played}:{games}",
    )
