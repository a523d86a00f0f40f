"""Chess.com: an account's archive months, asked for only if they changed.

URLs need names in lower case. A game is identified by its `uuid`, not by its `url`. A renamed
player keeps the `uuid` in games. An `ETag` is sent back unchanged.
"""

import re

from chesscoach.errors import AccountClosed, AccountNotFound, AccountRenamed, BadResponse
from chesscoach.sources import chesscom_payload as payload
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.client import SourceClient
from chesscoach.sources.response import (
    REDIRECT_STATUSES,
    checked_error_message,
    header_text,
    read_body,
)

_MAX_MONTH_BYTES = 64 * 1024 * 1024
_MAX_PROFILE_BYTES = 1024 * 1024
_PLAYER_PATTERN = re.compile(r"/player/([^/?#]{1,100})(?:/|\Z)")


class Chesscom:
    """What we ask of Chess.com."""

    def __init__(self, client: SourceClient) -> None:
        self.client = client

    async def month(self, name: str, month: str, etag: str | None) -> ArchiveMonth:
        """The games of an account that ended in a month (`2026-11`).

        Raises:
            AccountNotFound: there is no such player.
            AccountClosed: the player has closed the account.
            AccountRenamed: the player has another name.
            BadResponse: the response is not a month. The source's own "internal error" counts as
                one: it passes, and says nothing about the account.
        """
        try:
            return await self._ask(name, month, etag)
        except AccountNotFound:
            await self._classify_not_found(name)
            raise

    async def _ask(self, name: str, month: str, etag: str | None) -> ArchiveMonth:
        path = f"/player/{name}/games/{month[:4]}/{month[5:]}"
        headers = {"If-None-Match": etag} if etag else {}
        async with self.client.request("GET", path, headers=headers, total_s=120.0) as response:
            if response.status == 304 and etag:
                return ArchiveMonth(changed=False, etag=etag)
            if response.status == 410:
                await checked_error_message(response)
                return ArchiveMonth(changed=True, gone=True)
            if response.status == 404:
                return _missing_month(await checked_error_message(response), month)
            if response.status in REDIRECT_STATUSES:
                raise _renamed_error(header_text(response, "Location"), name)
            if response.status != 200:
                msg = f"the source answered {response.status} to a request for a month"
                raise BadResponse(msg)
            text = await read_body(response, _MAX_MONTH_BYTES)
            return payload.parse_month(text, header_text(response, "ETag"))

    async def _classify_not_found(self, name: str) -> None:
        """Asks for the profile of a player whose months are not found.

        Returns if that is not found either. Raises like `month` if the profile says more, and if
        the source has a fault of its own, which says nothing about the player.
        """
        async with self.client.request("GET", f"/player/{name}", total_s=120.0) as response:
            if response.status in REDIRECT_STATUSES:
                raise _renamed_error(header_text(response, "Location"), name)
            if response.status == 410:
                await checked_error_message(response)
                return
            if response.status == 404 and not _is_transient(await checked_error_message(response)):
                return
            if response.status != 200:
                msg = f"the source answered {response.status} to a request for a profile"
                raise BadResponse(msg)
            profile = payload.parse_profile(await read_body(response, _MAX_PROFILE_BYTES))
        if profile.username and profile.username.lower() != name:
            raise AccountRenamed(profile.username)
        if profile.status.startswith("closed"):
            msg = "Chess.com says that the account is closed"
            raise AccountClosed(msg)
        msg = "Chess.com knows the player and no month of theirs, which is probably its own error"
        raise BadResponse(msg)


def _renamed_error(location: str | None, name: str) -> AccountRenamed | BadResponse:
    """What a redirect says: an address of the source that names another player has the new name."""
    match = _PLAYER_PATTERN.search(location or "")
    if match is None or match[1].lower() == name:
        return BadResponse("a redirect that leads to no other player")
    return AccountRenamed(match[1])


def _is_transient(message: str) -> bool:
    """Whether an error is one of the source's own, which passes, although it calls it a 404."""
    return "internal error" in message.lower()


def _missing_month(message: str, month: str) -> ArchiveMonth:
    if "date cannot be set in the future" in message.lower():
        return ArchiveMonth(changed=True)  # the source's clock has not reached that month
    if message.lower().startswith("user ") and "not found" in message.lower():
        msg = "Chess.com knows no such player"
        raise AccountNotFound(msg)
    if _is_transient(message):
        msg = f"404 for the month {month}: an internal error of Chess.com, which passes"
        raise BadResponse(msg)
    msg = f"404 for the month {month}, with another reason than an unknown player"
    raise BadResponse(msg)
