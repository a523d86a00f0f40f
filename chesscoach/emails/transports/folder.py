"""A folder instead of a provider: one `.eml` file for each email, and nothing is sent.

A file is written beside its place and renamed into it, so that it is never there in part. Its name
comes from the outbox id: an email that is written again replaces the same file.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from chesscoach.emails.transports.transport import Message, SendResult

# Folded at the usual 78 characters, a long List-Unsubscribe would be encoded, and so be no link.
_ASCII = policy.SMTP.clone(max_line_length=998)
_UNICODE = policy.SMTPUTF8.clone(max_line_length=998)
_MAX_NAME_LENGTH = 150
_MAX_READABLE_LENGTH = 120


class FolderTransport:
    """A folder as a transport; the first email creates it."""

    repeatable = True
    in_flight = 4

    def __init__(
        self,
        folder: Path,
        sender: str,
        sender_name: str,
        now: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._sender = sender
        self._sender_name = sender_name
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: there is nothing to close."""

    def describe(self) -> str:
        """Name the folder, and why emails go there."""
        return f"the folder {self._folder}: nothing is sent (no SENDGRID_API_KEY)"

    async def send(self, message: Message) -> SendResult:
        """Write an email; its `message_id` is the name of the file."""
        name = file_name(message.outbox_id)
        try:
            data = self._email_bytes(message)
        except Exception:  # noqa: BLE001  # on an odd address, the library fails in ways of its own
            # Its errors would quote the address or the text.
            reason = "its address or text cannot be written as an email"
            return SendResult(verdict="refused", reason=reason, isolated=True)
        try:
            await asyncio.to_thread(_write, self._folder, name, data)
        except OSError as error:
            reason = f"the outbox folder cannot be written ({error.strerror})"
            return SendResult(verdict="stopped", reason=reason)
        return SendResult(verdict="accepted", message_id=name)

    def _email_bytes(self, message: Message) -> bytes:
        digest = _digest(message.outbox_id)
        email = EmailMessage(policy=_ASCII if message.to.isascii() else _UNICODE)
        email["From"] = _address(self._sender, self._sender_name)
        email["To"] = _address(message.to)
        email["Subject"] = message.subject
        email["Date"] = self._now()
        email["Message-ID"] = f"<{digest}@{self._sender.rpartition('@')[2]}>"
        for name, value in message.headers.items():
            email[name] = value
        email.set_content(message.text)
        email.add_alternative(message.html, subtype="html")
        email.set_boundary(f"={digest}")  # a random one would change the bytes of the same email
        return email.as_bytes()


def file_name(outbox_id: str) -> str:
    """The file name of an email: readable, unique for each id, and never a path."""
    name = quote(outbox_id, safe="", errors="surrogatepass")
    if name.startswith("."):
        name = "%2E" + name[1:]
    name = name or "%"
    if len(name) > _MAX_NAME_LENGTH:
        # A quoted id contains no plus sign.
        name = f"{name[:_MAX_READABLE_LENGTH]}+{_digest(outbox_id)}"
    return f"{name}.eml"


def _digest(outbox_id: str) -> str:
    return sha256(outbox_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _address(address: str, name: str = "") -> Address:
    """An address as it is: the parser would split one with a comma."""
    local, _, domain = address.rpartition("@")
    if not local or not domain:
        msg = "not an address"
        raise ValueError(msg)
    return Address(display_name=name, username=local, domain=domain)


def _write(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Only its owner can read it (mode 0600), because it holds an address.
    handle, beside = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(beside).replace(folder / name)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise
