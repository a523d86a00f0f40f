"""`/unsubscribe/{token}`: a player unsubscribes from a kind of emails (RFC 8058).

A GET changes nothing, because mail scanners follow every link. A POST unsubscribes at once, with
any body and without cookie or login, because mail programs send it for their own button. The signed
link is sufficient, and allows nothing else.
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
    """The handlers of the links in emails."""

    def __init__(
        self, links: UnsubscribeLinks, users: Users, subscriptions: Subscriptions, pages: Renderer
    ) -> None:
        self._links = links
        self._users = users
        self._subscriptions = subscriptions
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of both methods."""
        path = "/unsubscribe/{token}"
        return [web.get(path, self._show_form), web.post(path, self._unsubscribe)]

    async def _show_form(self, request: web.Request) -> web.Response:
        """Show a page with a form; 404 if the user does not exist any more."""
        try:
            link = self._links.parse(request.match_info["token"])
            if not await self._users.exists(link.user_id):
                return self._user_gone()
        except InvalidLink as error:
            return self._invalid_link(error)
        except (StoreUnavailable, StoreFailed) as error:
            raise _unavailable(error) from error
        return html_response(self._pages.render_page("unsubscribe", kind=link.kind))

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        """Switch the user's setting off; repeating it changes nothing. The body is not read."""
        try:
            link = self._links.parse(request.match_info["token"])
            changed = await self._subscriptions.unsubscribe(link.user_id, link.kind)
        except InvalidLink as error:
            return self._invalid_link(error)
        except (StoreUnavailable, StoreFailed) as error:
            raise _unavailable(error) from error
        if changed is None:
            return self._user_gone()
        if changed:
            log.get_logger().info("unsubscribed", user_id=link.user_id, kind=link.kind)
        return html_response(self._pages.render_page("unsubscribed", kind=link.kind))

    def _user_gone(self) -> web.Response:
        return html_response(self._pages.render_page("user_gone"), 404)

    def _invalid_link(self, error: InvalidLink) -> web.Response:
        status = 404 if error.reason == "malformed" else 403
        return html_response(self._pages.render_page("link_refused", reason=error.reason), status)


def _unavailable(error: Exception) -> web.HTTPException:
    log.get_logger().warning("unsubscribe_failed", error=str(error))
    return web.HTTPServiceUnavailable()
