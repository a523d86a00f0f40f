"""An outbox folder in place of a provider: one `.eml` file a mail, and nobody is sent anything.

A file is written beside its place and renamed into it, so that a mail is there whole or not at
all. Its name is that of the mail in the outbox: written again, it takes the same place.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email import policy
from email.errors import MessageError
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
    """A folder, as a transport; it is made when the first mail is written.

    Without a sender the mails are from nobody on this machine.
    """

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
        self._sender = sender or "nobody@localhost"
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
        """Nothing is held."""

    def describe(self) -> str:
        """Where mail goes, and why."""
        return f"the folder {self._folder}: nobody is sent anything (no SENDGRID_API_KEY)"

    async def send(self, message: Message) -> SendResult:
        """Writes a mail; its `message_id` is the name of the file."""
        name = file_name(message.outbox_id)
        try:
            data = self._email_bytes(message)
        except (ValueError, MessageError):  # they would quote the address or the text
            return SendResult(
                verdict="refused", reason="its address or text cannot be written as a mail"
            )
        try:
            await asyncio.to_thread(_write, self._folder, name, data)
        except OSError as error:
            reason = f"the outbox folder cannot be written ({error.strerror})"
            return SendResult(verdict="stopped", reason=reason)
        return SendResult(verdict="accepted", message_id=name)

    def _email_bytes(self, message: Message) -> bytes:
        digest = _digest(message.outbox_id)
        mail = EmailMessage(policy=_ASCII if message.to.isascii() else _UNICODE)
        mail["From"] = _address(self._sender, self._sender_name)
        mail["To"] = _address(message.to)
        mail["Subject"] = message.subject
        mail["Date"] = self._now()
        mail["Message-ID"] = f"<{digest}@{self._sender.rpartition('@')[2]}>"
        for name, value in message.headers.items():
            mail[name] = value
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        mail.set_boundary(f"={digest}")  # else a random one: the same mail is the same bytes
        return mail.as_bytes()


def file_name(outbox_id: str) -> str:
    """A file's name for a mail: readable, one for each id, and no path whatever the id holds."""
    name = quote(outbox_id, safe="", errors="surrogatepass")
    if name.startswith("."):
        name = "%2E" + name[1:]
    name = name or "%"
    if len(name) > _MAX_NAME_LENGTH:
        # Quoting leaves no plus sign of an id's own.
        name = f"{name[:_MAX_READABLE_LENGTH]}+{_digest(outbox_id)}"
    return f"{name}.eml"


def _digest(outbox_id: str) -> str:
    return sha256(outbox_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _address(address: str, name: str = "") -> Address:
    """An address taken as it is: parsed, one with a comma would become two."""
    local, _, domain = address.rpartition("@")
    if not local or not domain:
        msg = "no address"
        raise ValueError(msg)
    return Address(display_name=name, username=local, domain=domain)


def _write(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # For its owner alone (mode 0600): it holds somebody's address.
    handle, beside = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(beside).replace(folder / name)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise
