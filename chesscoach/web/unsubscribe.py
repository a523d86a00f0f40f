"""`/unsubscribe/{token}`: a player ends a kind of mail, as RFC 8058 has it.

A GET changes nothing, for mail scanners follow every link. A POST does it at once, with whatever
body and without cookie or login: mail programs send it on a press of their own button. The signed
link is all that it takes, and whoever has it can do no more than that.
"""

from aiohttp import web

from chesscoach import log
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.store.subscriptions import Subscriptions
from chesscoach.emails.unsubscribe_links import Links
from chesscoach.errors import LinkRefused, StoreFailed, StoreUnavailable
from chesscoach.players.store.users import Users
from chesscoach.web.html import answer


class Unsubscribe:
    """The handlers of the links in mails."""

    def __init__(
        self, links: Links, users: Users, subscriptions: Subscriptions, pages: Renderer
    ) -> None:
        self._links = links
        self._users = users
        self._subscriptions = subscriptions
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        """The handlers of both methods."""
        path = "/unsubscribe/{token}"
        return [web.get(path, self._ask), web.post(path, self._end)]

    async def _ask(self, request: web.Request) -> web.Response:
        """A page with a form; 404 where no mail goes anyway."""
        try:
            wish = self._links.read(request.match_info["token"])
            if not await self._users.exists(wish.user_id):
                return self._gone()
        except LinkRefused as error:
            return self._refused(error)
        except (StoreUnavailable, StoreFailed) as error:
            raise _later(error) from error
        return answer(self._pages.page("unsubscribe", kind=wish.kind))

    async def _end(self, request: web.Request) -> web.Response:
        """Turns the user's setting off; the same answer however often. The body is not read."""
        try:
            wish = self._links.read(request.match_info["token"])
            changed = await self._subscriptions.end(wish.user_id, wish.kind)
        except LinkRefused as error:
            return self._refused(error)
        except (StoreUnavailable, StoreFailed) as error:
            raise _later(error) from error
        if changed is None:
            return self._gone()
        if changed:
            log.get_logger().info("unsubscribed", user_id=wish.user_id, kind=wish.kind)
        return answer(self._pages.page("unsubscribed", kind=wish.kind))

    def _gone(self) -> web.Response:
        return answer(self._pages.page("user_gone"), 404)

    def _refused(self, error: LinkRefused) -> web.Response:
        status = 404 if error.reason == "malformed" else 403
        return answer(self._pages.page("link_refused", reason=error.reason), status)


def _later(error: Exception) -> web.HTTPException:
    log.get_logger().warning("unsubscribe_failed", error=str(error))
    return web.HTTPServiceUnavailable()
