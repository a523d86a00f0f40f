"""The outbox folder: one file an email, whole or not at all."""

import asyncio
import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from chesscoach.emails.transports.folder import FolderTransport, file_name
from chesscoach.emails.transports.transport import Message, Transport
from tests.emails.transports.conftest import SENDER, UNSUBSCRIBE, make_message

SENT_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def folder_transport(folder: Path, **changes: Any) -> FolderTransport:
    values: dict[str, Any] = {
        "sender": SENDER,
        "sender_name": "Chess Coach",
        "now": lambda: SENT_AT,
    }
    return FolderTransport(folder, **values | changes)


async def read_file(folder: Path, message: Message, **changes: Any) -> EmailMessage:
    """The email as a reader of the file sees it."""
    delivery = await folder_transport(folder, **changes).send(message)
    assert (delivery.verdict, delivery.reason) == ("accepted", "")
    assert delivery.message_id is not None
    data = await asyncio.to_thread((folder / delivery.message_id).read_bytes)
    return email.message_from_bytes(data, _class=EmailMessage, policy=policy.default)


async def file_names(folder: Path) -> list[str]:
    return await asyncio.to_thread(lambda: sorted(path.name for path in folder.iterdir()))


def body_text(read: EmailMessage, kind: str) -> str:
    part = read.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_an_email_is_a_file_that_an_email_reader_reads(tmp_path: Path) -> None:
    read = await read_file(
        tmp_path, make_message(subject="Zürich ♔", text="Grüße", html="<p>Grüße ♔</p>")
    )
    assert read["From"] == f"Chess Coach <{SENDER}>"
    assert (read["To"], read["Subject"]) == ("ann@example.org", "Zürich ♔")
    assert read["Date"].datetime == SENT_AT
    assert {name: read[name] for name in UNSUBSCRIBE} == UNSUBSCRIBE
    assert read.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in read.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert body_text(read, "plain").strip() == "Grüße"
    assert body_text(read, "html").strip() == "<p>Grüße ♔</p>"
    assert read.defects == []


async def test_written_twice_it_is_one_file_and_another_email_has_a_message_id_of_its_own(
    tmp_path: Path,
) -> None:
    first = await read_file(tmp_path / "a" / "b", make_message())
    second = await read_file(tmp_path / "a" / "b", make_message())
    assert await file_names(tmp_path / "a" / "b") == ["weekly_summary%3Au1%3A2026-W47.eml"]
    assert first.as_bytes() == second.as_bytes()
    other = await read_file(tmp_path, make_message(outbox_id="weekly_summary:u2:2026-W47"))
    assert first["Message-ID"] == second["Message-ID"] != other["Message-ID"]


async def test_a_long_link_in_a_header_stays_a_link(tmp_path: Path) -> None:
    link = f"<https://coach.example.org/u/{'x' * 300}>"
    await read_file(tmp_path, make_message(headers={"List-Unsubscribe": link}))
    file = tmp_path / (await file_names(tmp_path))[0]
    assert f"List-Unsubscribe: {link}" in await asyncio.to_thread(file.read_text)


@pytest.mark.parametrize("address", ["jörg@example.org", "a,b@example.org", "ann@exämple.org"])
async def test_a_strange_address_is_written_as_one(address: str, tmp_path: Path) -> None:
    read = await read_file(tmp_path, make_message(to=address))
    assert len(read["To"].addresses) == 1
    username = read["To"].addresses[0].username  # the reader leaves bytes above ASCII undecoded
    assert username.encode("ascii", "surrogateescape").decode() == address.partition("@")[0]


async def test_an_invalid_address_and_a_line_break_in_a_header_are_refused(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        *(
            {"to": address}
            for address in ("", "ann", "ann@", "@b", "a@b\r\nBcc: eve@x", "\ud800@b")
        ),
        # The library fails on these in ways of its own.
        *({"to": address} for address in ("a@[1", "=-:[%%@[!~", "(:é^]\\@[ ")),
        {"subject": "Hello\r\nBcc: eve@example.org"},
        {"headers": {"List-Unsubscribe": "<x>\nBcc: eve@example.org"}},
    ]
    for change in changes:
        delivery = await folder_transport(tmp_path).send(make_message(**change))
        assert (delivery.verdict, delivery.isolated) == ("refused", True)
        assert "eve" not in delivery.reason
    assert await file_names(tmp_path) == []


async def test_a_folder_that_cannot_be_written_stops_everything(tmp_path: Path) -> None:
    file = tmp_path / "file"
    await asyncio.to_thread(file.write_text, "")
    delivery = await folder_transport(file).send(make_message())
    assert (delivery.verdict, delivery.message_id) == ("stopped", None)
    assert "folder cannot be written" in delivery.reason
    await asyncio.to_thread(
        (tmp_path / "b" / file_name(make_message().outbox_id)).mkdir, 0o755, True
    )
    assert (await folder_transport(tmp_path / "b").send(make_message())).verdict == "stopped"
    assert await file_names(tmp_path / "b") == [file_name(make_message().outbox_id)]


@pytest.mark.parametrize(
    "outbox_id",
    [
        *("../../etc/passwd", "/etc/passwd", "..", ".", ".hidden", "", "C:", "a\\b"),
        *("a\x00b", "a\nb", "ü♔", "\ud800", "x" * 500, "♔" * 300),
    ],
)
def test_a_file_name_is_safe_whatever_the_id(outbox_id: str) -> None:
    name = file_name(outbox_id)
    assert Path(name).name == name
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set('/\\:*?"<>| ')
    assert len(name) <= 200
    assert not name.startswith(".")


def test_ids_that_begin_alike_have_names_of_their_own() -> None:
    ids = ["x" * 500, "x" * 501, "a/b", "a%2Fb", "a.b", ".", "%2E", "", "x" * 120]
    assert len({file_name(outbox_id) for outbox_id in ids}) == len(ids)


async def test_the_log_says_that_no_email_is_sent_to_players(tmp_path: Path) -> None:
    out: Transport = folder_transport(tmp_path)
    async with out as entered:
        assert entered is out
    assert out.describe() == (f"the folder {tmp_path}: nothing is sent (no SENDGRID_API_KEY)")
    assert out.repeatable
    assert out.in_flight == 4
