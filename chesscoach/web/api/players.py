"""`/players` and `/momentum`: what we know of a player, and the boards."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chesscoach.errors import NotFound
from chesscoach.momentum import views as momentum
from chesscoach.momentum.views import Board, PlayerView
from chesscoach.web.api.endpoint import Call, Endpoint
from chesscoach.web.problems import invalid
from chesscoach.web.views import emails, players
from chesscoach.web.views.emails import EmailPreviewView
from chesscoach.web.views.players import FoundPlayer, PlayerDetail

_WEEK, _MONTH = r"\d{4}-W\d{2}", r"\d{4}-\d{2}"


class PlayerQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The beginning of a user_id, or a name at a source."""

    q: Annotated[str, Meta(min_length=1, max_length=200)]
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class PreviewQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The week of the email; the last one by default."""

    week: Annotated[str, Meta(pattern=rf"^{_WEEK}\Z")] | None = None


class BoardQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which board is wanted: of all time, or of a week or month, the current one by default."""

    period: Literal["week", "month", "all"] = "week"
    key: Annotated[str, Meta(pattern=rf"^({_WEEK}|{_MONTH})\Z")] | None = None
    top: Annotated[int, Meta(ge=1, le=1000)] = 10


class PlayerList(Struct, frozen=True, kw_only=True):
    """The players who were found."""

    players: list[FoundPlayer]


async def _find(call: Call) -> PlayerList:
    found = await players.find_players(call.admin, call.query.q, call.query.limit)
    return PlayerList(players=found)


async def _show(call: Call) -> PlayerDetail:
    return await players.show_player(call.admin, call.path["user_id"])


async def _preview(call: Call) -> EmailPreviewView:
    return await emails.preview_email(call.admin, call.path["user_id"], call.query.week)


async def _momentum(call: Call) -> PlayerView:
    user_id = call.path["user_id"]
    player = await momentum.player(call.admin.ctx.momentum_views, user_id)
    if player is None:
        msg = f"player {user_id[:120]!r} does not exist"
        raise NotFound(msg)
    return player


async def _board(call: Call) -> Board:
    query: BoardQuery = call.query
    if query.key is not None and (query.period == "week") != ("W" in query.key):
        raise invalid("key", "not a key of this kind of period, such as 2026-W47 or 2026-11")
    kind = None if query.period == "all" else query.period
    return await momentum.board(call.admin.ctx.momentum_views, kind, query.key, query.top)


_PLAYER = "/players/{user_id:.+}"

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/players",
        handler=_find,
        summary="Players by the beginning of their user_id, or by a name at a source",
        query=PlayerQuery,
        response=PlayerList,
    ),
    Endpoint(
        method="GET",
        path=f"{_PLAYER}/email-preview",
        handler=_preview,
        summary="The weekly email as a run would compose it now, and why it would not send it",
        query=PreviewQuery,
        response=EmailPreviewView,
    ),
    Endpoint(
        method="GET",
        path=f"{_PLAYER}/momentum",
        handler=_momentum,
        summary="A player's points, streaks, level and periods, and what the next check will do",
        response=PlayerView,
    ),
    Endpoint(
        method="GET",
        path=_PLAYER,
        handler=_show,
        summary="One player with accounts, games and emails",
        response=PlayerDetail,
    ),
    Endpoint(
        method="GET",
        path="/momentum/board",
        handler=_board,
        summary="The best players of a week, a month or all time",
        query=BoardQuery,
        response=Board,
    ),
)
