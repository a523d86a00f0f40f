"""`/players` and `/players/{user_id}`: finds a player, and shows everything about one."""

from collections.abc import Iterator

from aiohttp import web

from chesscoach.emails.recipient import Recipient
from chesscoach.emails.sending.preview import EmailPreview, build_preview
from chesscoach.errors import LeaseHeld
from chesscoach.jobs.week_extras import extras_reader
from chesscoach.momentum import views
from chesscoach.momentum.periods import KINDS
from chesscoach.momentum.views import Board
from chesscoach.players.store.search import FoundUser, UserSearch
from chesscoach.sync import account_report
from chesscoach.sync.account_report import AccountReport, SourceStatus
from chesscoach.web.auth import operator_of
from chesscoach.web.dashboard.page import Layout, query_values
from chesscoach.web.dashboard.player_training import read_training
from chesscoach.web.dashboard.text import path_segment
from chesscoach.web.login import read_form
from chesscoach.web.operations import accounts
from chesscoach.web.operations.admin import Admin
from chesscoach.web.pages import redirect
from chesscoach.web.problems import Problem, not_found
from chesscoach.web.routes import Route

_FOUND_SHOWN = 50
_EMAILS_SHOWN = 10
_BOARD_LENGTH = 20
_EMAIL_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Of the email in its frame: nothing is loaded, nothing runs, and only our own page shows it."""


class PlayerPages:
    """The pages about players."""

    def __init__(self, admin: Admin, layout: Layout) -> None:
        self._admin = admin
        self._ctx = admin.ctx
        self._layout = layout
        self._search = UserSearch(admin.ctx.mongo.database)

    def routes(self) -> Iterator[Route]:
        """The routes of the pages."""
        for path, show in (
            ("/players", self._list),
            ("/players/{user_id}", self._show),
            ("/players/{user_id}/email", self._show_email),
            ("/players/{user_id}/email.html", self._show_framed_email),
        ):
            handler = self._layout.answering(show)
            yield Route(method="GET", path=path, scope="read", handler=handler)
        sync = self._layout.answering(self._sync)
        yield Route(method="POST", path="/players/{user_id}/sync", scope="admin", handler=sync)

    async def _list(self, request: web.Request) -> web.Response:
        """The players that a search finds, or a board."""
        given = query_values(request, "q", "board")
        board = await self._board(given["board"]) if given["board"] else None
        found = [] if board is not None else await self._find(given["q"])
        values = {"q": given["q"], "found": found, "board": board, "limit": _FOUND_SHOWN}
        return self._layout.page(request, "players", values)

    async def _board(self, kind: str) -> Board | None:
        for known in KINDS:
            if known == kind:
                return await views.board(self._ctx.momentum_views, known, None, _BOARD_LENGTH)
        return None

    async def _find(self, text: str) -> list[FoundUser]:
        """Users by address or the beginning of their id, and those who link an account."""
        found = await self._search.with_email(text.lower()) if "@" in text else []
        found += await self._search.beginning_with(text, _FOUND_SHOWN)
        for row in await self._ctx.sync.accounts.find_by_name(text) if text else []:
            found += [
                FoundUser(user_id=link.user_id, name=row.account.key, email="")
                for link in row.account.links
            ]
        by_id = {user.user_id: user for user in reversed(found)}
        return [by_id[user_id] for user_id in dict.fromkeys(user.user_id for user in found)]

    async def _show(self, request: web.Request) -> web.Response:
        """Everything about a player; 404 if the application has no such user."""
        return await self._player_page(request, None)

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        """Starts a manual run that syncs an account, and leads to it."""
        key = (await read_form(request)).get("account", "")
        try:
            run_id = await accounts.sync_now(self._admin, operator_of(request), key)
        except LeaseHeld as error:
            return await self._player_page(request, Problem(409, str(error)))
        return redirect(f"{self._admin.base_path}/runs/{path_segment(run_id)}")

    async def _player_page(self, request: web.Request, problem: Problem | None) -> web.Response:
        ctx, user = self._ctx, await self._user(request)
        games = await ctx.sync.games.count_by_user([user.user_id])
        emails = await ctx.emails.outbox.recent(
            state=None, week=None, user_id=user.user_id, limit=_EMAILS_SHOWN
        )
        values = {
            "user": user,
            "accounts": await self._accounts(user.user_id),
            "games": {platform: count for (_, platform), count in sorted(games.items())},
            "emails": emails,
            "reasons": {
                entry.id: self._admin.scrub(entry.reason) for entry in emails if entry.reason
            },
            "momentum": await views.player(ctx.momentum_views, user.user_id),
            "training": await read_training(ctx.training, user.user_id),
            "problem": problem,
        }
        return self._layout.page(request, "player", values, problem.status if problem else 200)

    async def _user(self, request: web.Request) -> Recipient:
        user_id = request.match_info["user_id"]
        user = await self._ctx.emails.recipients.find(user_id)
        if user is None:
            raise not_found(f"player {user_id[:120]!r}")
        return user

    async def _accounts(self, user_id: str) -> list[AccountReport]:
        """The accounts that a user links; the state of their sources is on another page."""
        return [
            account_report.account_report(row, SourceStatus(), self._ctx.now())
            for row in await self._ctx.sync.accounts.find_by_name(user_id)
            if any(link.user_id == user_id for link in row.account.links)
        ]

    async def _preview(self, request: web.Request) -> EmailPreview:
        extras = extras_reader(self._ctx)
        user_id, week = request.match_info["user_id"], request.query.get("week")
        return await build_preview(self._ctx.emails, user_id, week, extras=extras)

    async def _show_email(self, request: web.Request) -> web.Response:
        """A player's weekly email as the player would see it, and why it would not be sent."""
        preview = await self._preview(request)
        values = {
            "user_id": request.match_info["user_id"],
            "subject": preview.message.subject,
            "text": preview.message.text,
            "week": preview.due.week.key,
            "zone": preview.due.zone.key,
            "notes": preview.notes,
        }
        return self._layout.page(request, "email", values)

    async def _show_framed_email(self, request: web.Request) -> web.Response:
        preview = await self._preview(request)
        return web.Response(
            text=preview.message.html, content_type="text/html", headers=_EMAIL_HEADERS
        )
