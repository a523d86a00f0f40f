"""`/calendar/{token}.ics`: a routine's coming sessions, for a player's calendar program.

The signed link is sufficient, and allows nothing else. The feed follows the stored sessions.
"""

from aiohttp import web

from chesscoach import log
from chesscoach.errors import ConfigError, InvalidLink, StoreFailed, StoreUnavailable
from chesscoach.training.context import TrainingContext
from chesscoach.training.sessions import administration
from chesscoach.training.sessions.feed_links import FeedLinks

_MAX_AGE_S = 3600


class Calendar:
    """The handler of calendar links."""

    def __init__(self, links: FeedLinks, training: TrainingContext) -> None:
        self._links = links
        self._training = training

    def routes(self) -> list[web.RouteDef]:
        """Return the route; HEAD is answered too."""
        return [web.get("/calendar/{token}.ics", self._show)]

    async def _show(self, request: web.Request) -> web.Response:
        """Return the feed; 404 if the routine does not exist any more."""
        try:
            routine_id = self._links.parse(request.match_info["token"])
            feed = await administration.routine_calendar(self._training, routine_id)
        except InvalidLink as error:
            raise (
                web.HTTPNotFound() if error.reason == "malformed" else web.HTTPForbidden()
            ) from None
        except ConfigError:
            raise web.HTTPNotFound from None
        except (StoreUnavailable, StoreFailed) as error:
            log.get_logger().warning("calendar_failed", error=str(error))
            raise web.HTTPServiceUnavailable from error
        return web.Response(
            body=feed,
            content_type="text/calendar",
            charset="utf-8",
            headers={"Cache-Control": f"private, max-age={_MAX_AGE_S}"},
        )
