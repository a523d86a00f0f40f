"""Languages: catalogs, dates, and texts that translators get."""

import asyncio
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import chesscoach
from chesscoach.emails.i18n import catalogs
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.transports.transport import Message
from chesscoach.errors import ConfigError
from chesscoach.schedules.iso_week import Week
from tests.support.emails.parse_email import parse_email
from tests.support.emails.week_factory import (
    EMAILS,
    GERMAN,
    UNSUBSCRIBE,
    WEEK,
    bare_summary,
    full_summary,
    recipient,
    render_email,
    renderer_with,
)

PACKAGE = Path(chesscoach.__file__).parent

PAGES = ("unsubscribe", "unsubscribed", "link_refused", "user_gone")


def text_parts(message: Message) -> tuple[str, str]:
    """The two parts of an email as they are read."""
    return normalize_text(parse_email(message).text), normalize_text(message.text)


def normalize_text(text: str) -> str:
    """A text in one line, with hyphens for dashes: what typography adds is not the point."""
    return " ".join(text.replace("\N{EN DASH}", "-").split())


def test_a_week_may_reach_into_another_month_or_year_and_a_region_has_its_own_dates() -> None:
    for week, days in (
        (Week(2026, 49), "30 November - 6 December 2026"),
        (Week(2026, 53), "28 December 2026 - 3 January 2027"),
    ):
        assert days in normalize_text(render_email(full_summary(week=week)).text)
    american = render_email(recipient=recipient(language="en-US"))
    assert "November 9 - 15, 2026" in normalize_text(american.text)


def test_a_file_is_all_that_another_language_needs(tmp_path: Path) -> None:
    renderer = renderer_with(tmp_path, de=GERMAN)
    message = render_email(recipient=recipient(language="de-AT"), renderer=renderer)
    html, text = text_parts(message)

    assert message.subject.startswith("Deine Schachwoche: 14 Partien, 7 gewonnen")
    assert "9.-15. November 2026" in html
    assert "81,4" in html
    assert "1.340" in text
    assert "So hast du gespielt & gekämpft" in html
    assert ("html", "lang", "de") in parse_email(message).values
    one = render_email(bare_summary(), recipient(language="de"), renderer=renderer)
    assert one.subject == "Deine Schachwoche: 1 Partie"


def test_a_language_that_is_not_there_is_the_configured_one_or_english(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text(GERMAN, encoding="utf-8")
    german = msgspec.structs.replace(EMAILS, language="de", locales_dir=str(tmp_path))
    for language in (None, "", "xx", "de", "../de", "d" * 9_999, "en\r\nBcc: x"):
        player = recipient(language=language)
        assert render_email(recipient=player).subject.startswith("Your week in chess")
        assert render_email(recipient=player, emails=german).subject.startswith("Deine")


def test_a_language_that_is_written_from_the_right_turns_the_email(tmp_path: Path) -> None:
    message = render_email(
        recipient=recipient(language="he"), renderer=renderer_with(tmp_path, he=GERMAN)
    )

    assert ("html", "dir", "rtl") in parse_email(message).values
    sides = re.findall(r'class="line figure[^>]*text-align:\s*(\w+)', message.html)
    assert set(sides) == {"left"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("de.po", '{"Hello,": "Hallo,"}'),
        ("de.po", 'msgid "Hello %(name)s,"\nmsgstr "Hallo %(nmae)s,"'),
        ("de.po", 'msgid "Hello %(name)s,"\nmsgstr "100% %(name)s,"'),
        ("de.po", 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n != ;\\n"'),
        ("de.po", "\x00\x01 \udcff"),
        ("qq.po", 'msgid "Hello,"\nmsgstr "Hallo,"'),
        ("german.po", 'msgid "Hello,"\nmsgstr "Hallo,"'),
    ],
)
def test_a_catalog_that_cannot_be_used_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / name))):
        Renderer(msgspec.structs.replace(EMAILS, locales_dir=str(tmp_path)))
    with pytest.raises(ConfigError, match="locales_dir"):
        Renderer(msgspec.structs.replace(EMAILS, locales_dir=str(tmp_path / "none")))


async def test_emails_and_pages_are_made_without_reading_a_file(tmp_path: Path) -> None:
    renderer = await asyncio.to_thread(renderer_with, tmp_path, sv=GERMAN)
    (tmp_path / "sv.po").unlink()

    assert "15 november" in render_email(recipient=recipient(language="sv"), renderer=renderer).text
    assert "Hallo Mia," in renderer.render_page("unsubscribe", "sv", name="Mia")


def test_every_word_of_an_email_can_be_translated(tmp_path: Path) -> None:
    """Each text that translators are given is put in brackets; nothing may stand outside."""
    renderer = renderer_with(tmp_path, nl=bracketed_catalog())
    ours = {"Mia", "Chess Coach", "Lichess", "Chess.com", "rook_lifter", "pawn_storm", "Qxb7"}
    ours |= {"november", "Missed forks", "missed forks", "Endgame technique", EMAILS.public_url}
    message = render_email(recipient=recipient(language="nl"), renderer=renderer)
    short = renderer.render_no_games_note(
        WEEK, recipient(language="nl"), outbox_id="o", unsubscribe_url=UNSUBSCRIBE
    )
    seen = [
        message.subject,
        short.subject,
        *(without_brackets(item.text) for item in (message, short)),
    ]
    seen += [parse_email(item).text for item in (message, short)]
    seen += [parse_email(renderer.render_page(name, "nl", name="Mia")).text for name in PAGES]

    for text in seen:
        rest = re.sub(r"https://\S+", "", without_brackets(text))
        for value in sorted(ours, key=len, reverse=True):
            rest = rest.replace(value, "")
        assert [letter for letter in rest if letter.isalpha()] == []


def test_translators_are_given_every_text_and_no_old_one() -> None:
    """A changed text needs `make messages`."""
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    mappings = settings["tool"]["babel"]["mappings"]
    extracted = extract_from_dir(
        PACKAGE,
        method_map=[(item["pattern"], item["method"]) for item in mappings],
        options_map={item["pattern"]: {"silent": "false"} for item in mappings},
    )
    with (catalogs.BUILTIN_LOCALES / "messages.pot").open("rb") as file:
        listed = {message.id for message in read_po(file) if message.id}

    assert {message for _, _, message, _, _ in extracted} == listed


def without_brackets(text: str) -> str:
    """What is left without brackets and what is in them."""
    while (less := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
        text = less
    return text


def bracketed_catalog() -> str:
    """The catalog of texts, each translated into itself with brackets around it."""
    source = (catalogs.BUILTIN_LOCALES / "messages.pot").read_text(encoding="utf-8")
    entries: list[str] = ['msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n != 1);\\n"']
    for block in source.split("\n\n"):
        texts = dict(re.findall(r'^(msgid(?:_plural)?) ((?:"[^\n]*"\n?)+)', block, re.MULTILINE))
        if not texts:
            continue
        around = {key: f'"⟦"\n{value.rstrip()}\n"⟧"' for key, value in texts.items()}
        if "msgid_plural" in texts:
            entries.append(
                f"msgid {texts['msgid']}\nmsgid_plural {texts['msgid_plural']}\n"
                f"msgstr[0] {around['msgid']}\nmsgstr[1] {around['msgid_plural']}"
            )
        else:
            entries.append(f"msgid {texts['msgid']}\nmsgstr {around['msgid']}")
    return "\n\n".join(entries)
