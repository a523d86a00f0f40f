"""`/unsubscribe/{token}`: a player ends a kind of mail, as RFC 8058 has it.

A GET changes nothing, for mail scanners follow every link. A POST does it at once, with whatever
body and without cookie or login: mail programs send it on a press of their own button. The signed
link is all that it takes, and whoever has it can do no more than that.
"""

from aiohttp import web

from chesscoach import log
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.store.subscriptions import Subscriptions
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.errors import InvalidLink, StoreFailed, StoreUnavailable
from chesscoach.players.store.users import Users
from chesscoach.web.html import html_response


class Unsubscribe:
    """The handlers of the links in mails."""

    def __init__(
        self, links: UnsubscribeLinks, users: Users, subscriptions: Subscriptions, pages: Renderer
    ) -> None:
        self._links = links
        self._users = users
        self._subscriptions = subscriptions
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        """The handlers of both methods."""
        path = "/unsubscribe/{token}"
        return [web.get(path, self._show_form), web.post(path, self._unsubscribe)]

    async def _show_form(self, request: web.Request) -> web.Response:
        """A page with a form; 404 where no mail goes anyway."""
        try:
            wish = self._links.parse(request.match_info["token"])
            if not await self._users.exists(wish.user_id):
                return self._user_gone()
        except InvalidLink as error:
            return self._invalid_link(error)
        except (StoreUnavailable, StoreFailed) as error:
            raise _unavailable(error) from error
        return html_response(self._pages.render_page("unsubscribe", kind=wish.kind))

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        """Turns the user's setting off; the same answer however often. The body is not read."""
        try:
            wish = self._links.parse(request.match_info["token"])
            changed = await self._subscriptions.unsubscribe(wish.user_id, wish.kind)
        except InvalidLink as error:
            return self._invalid_link(error)
        except (StoreUnavailable, StoreFailed) as error:
            raise _unavailable(error) from error
        if changed is None:
            return self._user_gone()
        if changed:
            log.get_logger().info("unsubscribed", user_id=wish.user_id, kind=wish.kind)
        return html_response(self._pages.render_page("unsubscribed", kind=wish.kind))

    def _user_gone(self) -> web.Response:
        return html_response(self._pages.render_page("user_gone"), 404)

    def _invalid_link(self, error: InvalidLink) -> web.Response:
        status = 404 if error.reason == "malformed" else 403
        return html_response(self._pages.render_page("link_refused", reason=error.reason), status)


def _unavailable(error: Exception) -> web.HTTPException:
    log.get_logger().warning("unsubscribe_failed", error=str(error))
    return web.HTTPServiceUnavailable()
