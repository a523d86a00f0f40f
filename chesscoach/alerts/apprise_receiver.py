"""Messages by apprise: Slack, Discord, Telegram, email and others, each by a URL.

The library blocks, so a message is sent in a thread. The thread does not keep the process: one
that hangs is left behind. The library is imported only if a URL is configured.
"""

import asyncio
import hashlib
import threading
import warnings
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec

from chesscoach.alerts.alert import Message
from chesscoach.errors import AlertRefused, ConfigError

_TIMEOUT_S = 20.0
_TITLES = {"firing": "chesscoach: {kind}", "resolved": "chesscoach: {kind} resolved"}


class AppriseReceiver:
    """One URL. Its name has a hash of it, since the URL is a secret."""

    def __init__(self, url: str) -> None:
        self.name = f"apprise:{hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self._url = url
        self._sending: asyncio.Future[bool] | None = None

    async def send(self, message: Message, at: datetime) -> None:
        """Sends a message.

        Raises:
            AlertRefused: it was not accepted in time, or the last one still hangs.
        """
        if self._sending is not None and not self._sending.done():
            msg = "an earlier message is still being sent"
            raise AlertRefused(msg)
        title = _TITLES[message.state].format(kind=message.kind.replace("_", " "))
        self._sending = asyncio.get_running_loop().create_future()
        thread = threading.Thread(
            target=_send_and_report,
            args=(self._url, title, message.summary, self._sending),
            name="apprise",
            daemon=True,
        )
        thread.start()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                accepted = await asyncio.shield(self._sending)
        except TimeoutError:
            msg = f"no response within {_TIMEOUT_S:g} s"
            raise AlertRefused(msg) from None
        if not accepted:
            msg = "the receiver did not accept it"
            raise AlertRefused(msg)


def _send_and_report(url: str, title: str, body: str, sent: "asyncio.Future[bool]") -> None:
    """Sends in a thread; an error of the library counts as a refusal, and its text is dropped."""
    try:
        accepted = _send(url, title, body)
    except Exception:  # noqa: BLE001  # a plugin may raise anything, with the URL in its text
        accepted = False
    with suppress(RuntimeError):  # the process ends, and its loop is closed
        sent.get_loop().call_soon_threadsafe(sent.set_result, accepted)


def _send(url: str, title: str, body: str) -> bool:
    from apprise import Apprise

    sender = Apprise()
    return sender.add(url) and bool(sender.notify(title=title, body=body))


async def check_urls(urls: tuple[str, ...]) -> None:
    """Checks that apprise is installed and knows each URL.

    Raises:
        ConfigError: it is not, or does not; the URL is named by its number.
    """
    if not urls:
        return
    if find_spec("apprise") is None:
        msg = 'alerts.urls: apprise is not installed: install the extra "alerts"'
        raise ConfigError(msg)
    unknown = await asyncio.to_thread(_unknown_urls, urls)
    if unknown:
        numbers = ", ".join(map(str, unknown))
        msg = f"alerts.urls: apprise cannot use number {numbers}: see its documentation"
        raise ConfigError(msg)


def _unknown_urls(urls: tuple[str, ...]) -> list[int]:
    """The numbers of unknown URLs; loads apprise's services, of which some import old modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from apprise import Apprise

        return [number for number, url in enumerate(urls, 1) if not Apprise.instantiate(url)]
