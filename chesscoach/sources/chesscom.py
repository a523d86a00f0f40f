"""Chess.com: an account's archive months, asked for only if they changed.

Facts behind it: addresses want lower-case names; a game's `uuid` is its identity, its `url` is
not; a player may be renamed, his `uuid` in the games stays; `ETag` is echoed as it came.
"""

import re

from chesscoach.errors import BadReply, PlayerClosed, PlayerMissing, PlayerRenamed
from chesscoach.sources import chesscom_payload as payload
from chesscoach.sources.chesscom_payload import Month
from chesscoach.sources.client import Site
from chesscoach.sources.response import body, complaint

_MONTH_BYTES = 64 * 1024 * 1024
_PROFILE_BYTES = 1024 * 1024
_MOVED = (301, 302, 307, 308)
_PLAYER = re.compile(r"/player/([^/?#]{1,100})(?:/|$)")


class Chesscom:
    """What we ask of Chess.com."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def month(self, name: str, month: str, etag: str | None) -> Month:
        """The games of an account that ended in a month (`2026-11`).

        Raises:
            PlayerMissing: there is no such player.
            PlayerClosed: there is, but he has closed his account.
            PlayerRenamed: he has another name.
            BadReply: anything that is not a month; the site's own "internal error" among it, which
                passes and says nothing of the account.
        """
        try:
            return await self._ask(name, month, etag)
        except PlayerMissing:
            await self._look_for(name)
            raise

    async def _ask(self, name: str, month: str, etag: str | None) -> Month:
        path = f"/player/{name}/games/{month[:4]}/{month[5:]}"
        headers = {"If-None-Match": etag} if etag else {}
        async with self.site.ask("GET", path, headers=headers, total_s=120.0) as response:
            if response.status == 304:
                return Month(changed=False, etag=etag)
            if response.status == 410:
                return Month(changed=True, gone=True)
            if response.status == 404:
                return _missing(await complaint(response), month)
            if response.status in _MOVED:
                raise _renamed(response.headers.get("Location", ""), name)
            if response.status != 200:
                msg = f"the site answered {response.status} to a request for a month"
                raise BadReply(msg)
            text = await body(response, _MONTH_BYTES)
            return payload.month(text, response.headers.get("ETag"))

    async def _look_for(self, name: str) -> None:
        """Asks for the profile of a player whose months are not found.

        Returns if that is not found either; raises like `month` if there is more to be said, and
        if the site has trouble of its own, which says nothing of the player.
        """
        async with self.site.ask("GET", f"/player/{name}", total_s=120.0) as response:
            if response.status in _MOVED:
                raise _renamed(response.headers.get("Location", ""), name)
            if response.status == 410:
                return
            if response.status == 404 and not _passing(await complaint(response)):
                return
            if response.status != 200:
                msg = f"the site answered {response.status} to a request for a profile"
                raise BadReply(msg)
            profile = payload.profile(await body(response, _PROFILE_BYTES))
        if profile.username and profile.username.lower() != name:
            raise PlayerRenamed(profile.username)
        if profile.status.startswith("closed"):
            msg = "Chess.com says that the account is closed"
            raise PlayerClosed(msg)
        msg = "Chess.com knows the player, but not his months: most likely an error of its own"
        raise BadReply(msg)


def _renamed(location: str, name: str) -> PlayerRenamed | BadReply:
    """What a redirect says: where the site's own address names another player, he is renamed."""
    found = _PLAYER.search(location)
    if found is None or found[1].lower() == name:
        return BadReply("a redirect that leads to no other player")
    return PlayerRenamed(found[1])


def _passing(message: str) -> bool:
    """Whether an error is one of the site's own, which passes, although it calls it a 404."""
    return "internal error" in message.lower()


def _missing(message: str, month: str) -> Month:
    if "date cannot be set in the future" in message.lower():
        return Month(changed=True)  # the site's clock has not reached that month
    if message.lower().startswith("user ") and "not found" in message.lower():
        msg = "Chess.com knows no such player"
        raise PlayerMissing(msg)
    if _passing(message):
        msg = f"404 for the month {month}: an internal error of Chess.com, which passes"
        raise BadReply(msg)
    msg = f"404 for the month {month}, though not for want of the player"
    raise BadReply(msg)
