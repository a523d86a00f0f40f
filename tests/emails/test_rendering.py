"""What a mail says, in which words, and what it leaves out."""

import asyncio
import re
import string
import tomllib
import unicodedata
from pathlib import Path

import msgspec
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import chesscoach
from chesscoach.emails.i18n import catalogs
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly.values import Highlight, ResultsBySpeed, Swing, WeekAccuracy
from chesscoach.errors import ConfigError
from chesscoach.schedules.iso_week import Week
from tests.support.parse_email import parse_email
from tests.support.week_factory import (
    EMAILS,
    GERMAN,
    UNSUBSCRIBE,
    WEEK,
    bare_summary,
    full_summary,
    make_game,
    make_results,
    recipient,
    render_email,
    renderer_with,
)

PACKAGE = Path(chesscoach.__file__).parent


def render_note(recipient: Recipient) -> Message:
    return Renderer(EMAILS).render_no_games_note(
        WEEK, recipient, outbox_id="o1", unsubscribe_url=UNSUBSCRIBE
    )


def text_parts(message: Message) -> tuple[str, str]:
    """The two parts of a mail as they are read."""
    return normalize_text(parse_email(message).text), normalize_text(message.text)


def normalize_text(text: str) -> str:
    """A text in one line, with hyphens for dashes: what typography adds is not the point."""
    return " ".join(text.replace("\N{EN DASH}", "-").split())


def test_a_full_week_is_told_alike_in_html_and_in_plain_text() -> None:
    told = (
        "Hello Mia,",
        "9-15 November 2026",
        "Blunders dropped from 1.6 to 0.8 per game",
        "What costs you most at the moment: missed forks.",
        "8 right of 10",
        "8/14",
        "7 won, 2 drawn, 5 lost",
        "Lichess · blitz",
        "1642 → 1671",
        "+29",
        "Chess.com · rapid",
        "-12",
        "From 6 analysed games",
        "accuracy 81.4%",
        "accuracy 76.2%",
        "Endgame technique",
        "Missed forks",
        "1,340",
        "Days in a row (best: 12)",
        "94.2% accuracy",
        "against rook_lifter",
        "4.2 pawns lost in one move",
        "Move 23, Qxb7 · against pawn_storm",
        "Ten puzzles on it a day",
    )
    for part in text_parts(render_email()):
        assert [each for each in told if each not in part] == []


def test_a_bare_week_has_no_word_on_what_is_not_known() -> None:
    for part in text_parts(render_email(bare_summary())):
        assert "1 lost" in part
        for word in ("None", "0 of 0", "accuracy", "Level", "Days in a row", "weakness", "best"):
            assert word not in part.replace("blunders", "")
        assert "Have two or three of your games analysed." in part


def test_a_week_without_games_but_with_analyses_has_no_results() -> None:
    message = render_email(full_summary(results_by_speed=()))

    assert message.subject == "Your week in chess: 6 games analysed"
    for part in text_parts(message):
        assert "Your results" not in part
        assert "YOUR RESULTS" not in part


def test_games_whose_result_nobody_knows_are_counted_and_not_scored() -> None:
    unknown = ResultsBySpeed(platform="lichess", speed="rapid", played=2, won=0, drawn=0, lost=0)

    for part in text_parts(render_email(bare_summary(results_by_speed=(unknown,)))):
        assert "2 games" in part
        assert "/0" not in part


def test_a_half_point_is_written_as_players_write_it() -> None:
    assert (
        "7½/14"
        in render_email(
            full_summary(results_by_speed=(make_results(played=14, won=7, drawn=1, lost=6),))
        ).text
    )
    assert (
        "½/1"
        in render_email(
            full_summary(results_by_speed=(make_results(played=1, won=0, drawn=1, lost=0),))
        ).text
    )


def test_a_first_week_is_compared_with_nothing() -> None:
    html, text = text_parts(render_email(full_summary(before=WeekAccuracy())))

    assert "that is the mark to beat" in html
    assert "Last week" not in html
    assert "Last week" not in text


@pytest.mark.parametrize(
    ("trend", "now", "before", "words"),
    [
        ("improving", 5, 8, "Blunders dropped from 1.6 to 1.0 per game"),
        ("improving", 8, 5, "Your play is getting better"),
        ("declining", 8, 5, "Blunders rose from 1.0 to 1.6 per game"),
        ("declining", 5, 5, "A harder week than the last."),
        ("stable", 5, 5, "Your play held steady, at 1.0 blunders per game."),
        ("stable", 0, 5, "Not one blunder"),
    ],
)
def test_the_coach_says_what_the_numbers_bear_out(
    trend: str, now: int, before: int, words: str
) -> None:
    week = full_summary(
        trend=trend,
        accuracy=WeekAccuracy(games=5, accuracy=80.0, blunders=now),
        before=WeekAccuracy(games=5, accuracy=80.0, blunders=before),
    )

    assert words in render_email(week).text


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (7, "You found what went wrong"),
        (4, "You are learning to see your own slips"),
        (1, "Your own slips are still hard to see"),
    ],
)
def test_the_answers_to_the_coach_are_judged_in_three_steps(right: int, words: str) -> None:
    assert words in render_email(full_summary(reflections_right=right)).text


def test_no_answer_that_was_right_is_not_rubbed_in() -> None:
    assert "slips" not in render_email(full_summary(reflections_right=0)).text


def test_the_subject_has_the_weeks_own_numbers() -> None:
    assert render_email().subject == "Your week in chess: 14 games, 7 won, fewer blunders"
    assert (
        render_email(full_summary(trend="stable")).subject
        == "Your week in chess: 14 games, 7 won, rating +29"
    )
    assert render_email(bare_summary()).subject == "Your week in chess: 1 game"


def test_a_swing_beyond_ten_pawns_is_not_given_in_centipawns() -> None:
    swing = Swing(cp_loss=9_940, move_number=31)
    week = full_summary(
        critical=Highlight(game_id="77aa", accuracy=61.0, swing=swing, game=make_game())
    )

    assert "10+ pawns lost in one move" in " ".join(render_email(week).text.split())
    assert "Move 31 · against" in render_email(week).text


def test_a_game_at_its_site_is_linked_there_and_any_other_to_the_application() -> None:
    elsewhere = make_game(url="https://evil.example/AbCdEfGh")
    week = full_summary(best_game=Highlight(game_id="a b/c?", accuracy=90.0, game=elsewhere))

    assert parse_email(render_email(week)).links == [
        "https://coach.example.org/game/a%20b%2Fc%3F",
        "https://lichess.org/ZyXwVuTs",
        UNSUBSCRIBE,
    ]
    no_application = msgspec.structs.replace(EMAILS, public_url="")
    assert (
        parse_email(render_email(week, emails=no_application)).links[0]
        == "https://lichess.org/ZyXwVuTs"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://lichess.org/AbCdEfGh",
        "https://lichess.org.evil.example/AbCdEfGh",
        "https://lichess.org@evil.example/AbCdEfGh",
        "https://lichess.org/AbCdEfGh?next=//evil.example",
        "https://lichess.org/AbCdEfGh\n",
        "https://lichess.org/\N{CYRILLIC CAPITAL LETTER A}bc",
        "javascript:alert(1)//https://lichess.org/a",
        "//lichess.org/AbCdEfGh",
    ],
)
def test_an_address_that_only_looks_like_a_sites_is_not_linked(url: str) -> None:
    week = full_summary(best_game=Highlight(game_id="3f1c", accuracy=90.0, game=make_game(url=url)))

    assert parse_email(render_email(week)).links[0] == "https://coach.example.org/game/3f1c"


def test_a_mail_can_be_left_in_one_click_and_is_answered_by_no_machine() -> None:
    for message in (render_email(), render_note(recipient())):
        assert message.headers == {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        assert UNSUBSCRIBE in message.text
        assert UNSUBSCRIBE in parse_email(message).links


def test_without_a_public_address_there_is_nothing_to_click() -> None:
    message = render_email(unsubscribe_url="")

    assert "List-Unsubscribe" not in message.headers
    assert "Unsubscribe" not in message.text + message.html


def test_a_mail_is_whole_on_its_own_and_small() -> None:
    for message in (render_email(), render_email(bare_summary()), render_note(recipient())):
        found = parse_email(message)
        assert found.open == []
        assert len(message.html.encode()) < 40_000
        assert {tag for _, tag, *_ in found.skeleton} & {"img", "link", "script", "svg"} == set()
        assert not re.search(r"url\(|@import|src=", message.html)
        assert "prefers-color-scheme" in message.html
        assert ("html", "lang", "en-GB") in found.values
        assert ("html", "dir", "ltr") in found.values


def test_css_stands_in_the_elements_themselves() -> None:
    html = render_email().html

    assert re.search(r'<td class="lead ink"[^>]* style="[^"]*font-size', html)
    assert "<link" not in html


def test_a_note_says_that_there_were_no_games() -> None:
    message = render_note(recipient())

    assert message.subject == "Your week in chess: no games this time"
    for part in text_parts(message):
        assert "No game of yours in this week." in part
        assert "9-15 November 2026" in part


@pytest.mark.parametrize(
    ("week", "days"),
    [
        (Week(2026, 49), "30 November - 6 December 2026"),
        (Week(2026, 53), "28 December 2026 - 3 January 2027"),
    ],
)
def test_a_week_may_reach_into_another_month_or_year(week: Week, days: str) -> None:
    assert days in normalize_text(render_email(full_summary(week=week)).text)


def test_a_region_of_english_has_its_own_dates() -> None:
    assert "November 9 - 15, 2026" in normalize_text(
        render_email(recipient=recipient(language="en-US")).text
    )


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


@pytest.mark.parametrize("language", [None, "", "xx", "de", "../de", "d" * 9_999, "en\r\nBcc: x"])
def test_a_language_that_is_not_there_is_the_configured_one_or_english(
    language: str | None, tmp_path: Path
) -> None:
    assert render_email(recipient=recipient(language=language)).subject.startswith(
        "Your week in chess"
    )

    (tmp_path / "de.po").write_text(GERMAN, encoding="utf-8")
    german = msgspec.structs.replace(EMAILS, language="de", locales_dir=str(tmp_path))
    assert render_email(recipient=recipient(language=language), emails=german).subject.startswith(
        "Deine"
    )


def test_a_language_that_is_written_from_the_right_turns_the_mail(tmp_path: Path) -> None:
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


def test_a_directory_of_catalogs_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="locales_dir"):
        Renderer(msgspec.structs.replace(EMAILS, locales_dir=str(tmp_path / "none")))


def test_catalogs_are_read_once(tmp_path: Path) -> None:
    renderer = renderer_with(tmp_path, de=GERMAN)
    (tmp_path / "de.po").unlink()

    assert render_email(recipient=recipient(language="de"), renderer=renderer).subject.startswith(
        "Deine"
    )


async def test_a_mail_is_made_without_reading_a_file(tmp_path: Path) -> None:
    renderer = await asyncio.to_thread(renderer_with, tmp_path, sv=GERMAN)

    assert "15 november" in render_email(recipient=recipient(language="sv"), renderer=renderer).text
    assert "Hallo Mia," in renderer.render_page("unsubscribe", "sv", name="Mia")


PAGES = ("unsubscribe", "unsubscribed", "link_refused", "user_gone")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_on_its_own(name: str) -> None:
    page = Renderer(EMAILS).render_page(name, name="Mia", kind="weekly_summary")
    found = parse_email(page)

    assert found.open == []
    assert ("html", "lang", "en-GB") in found.values
    assert not re.search(r"url\(|@import|src=|<script|https?:", page)
    assert [tag for kind, tag, *_ in found.skeleton if (kind, tag) == ("<", "h1")] == ["h1"]


def test_only_the_page_that_asks_has_a_button() -> None:
    renderer = Renderer(EMAILS)
    asking = parse_email(renderer.render_page("unsubscribe"))

    assert ("form", "method", "post") in asking.values
    assert [each for each in asking.values if each[1] == "action"] == []
    for name in PAGES[1:]:
        assert "<form" not in renderer.render_page(name)


def test_a_page_speaks_the_players_language(tmp_path: Path) -> None:
    page = renderer_with(tmp_path, de=GERMAN).render_page("unsubscribe", "de", name="Mia")

    assert "Hallo Mia," in page


def test_every_word_of_a_mail_can_be_translated(tmp_path: Path) -> None:
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
        *(without_brackets(each.text) for each in (message, short)),
    ]
    seen += [parse_email(each).text for each in (message, short)]
    seen += [parse_email(renderer.render_page(name, "nl", name="Mia")).text for name in PAGES]

    for each in seen:
        rest = re.sub(r"https://\S+", "", without_brackets(each))
        for value in sorted(ours, key=len, reverse=True):
            rest = rest.replace(value, "")
        assert [letter for letter in rest if letter.isalpha()] == []


def test_translators_are_given_every_text_and_no_old_one() -> None:
    """`make messages` is to be run when a text has changed."""
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    mappings = settings["tool"]["babel"]["mappings"]
    found = extract_from_dir(
        PACKAGE,
        method_map=[(each["pattern"], each["method"]) for each in mappings],
        options_map={each["pattern"]: {"silent": "false"} for each in mappings},
    )
    with (catalogs.BUILTIN_LOCALES / "messages.pot").open("rb") as file:
        listed = {message.id for message in read_po(file) if message.id}

    assert {message for _, _, message, _, _ in found} == listed


def without_brackets(text: str) -> str:
    """What is left without brackets and what is in them."""
    while (less := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
        text = less
    return text


def bracketed_catalog() -> str:
    """The catalog of texts, each translated into itself with brackets around it."""
    source = (catalogs.BUILTIN_LOCALES / "messages.pot").read_text(encoding="utf-8")
    found: list[str] = ['msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n != 1);\\n"']
    for block in source.split("\n\n"):
        texts = dict(re.findall(r'^(msgid(?:_plural)?) ((?:"[^\n]*"\n?)+)', block, re.MULTILINE))
        if not texts:
            continue
        around = {key: f'"⟦"\n{value.rstrip()}\n"⟧"' for key, value in texts.items()}
        if "msgid_plural" in texts:
            found.append(
                f"msgid {texts['msgid']}\nmsgid_plural {texts['msgid_plural']}\n"
                f"msgstr[0] {around['msgid']}\nmsgstr[1] {around['msgid_plural']}"
            )
        else:
            found.append(f"msgid {texts['msgid']}\nmsgstr {around['msgid']}")
    return "\n\n".join(found)


def test_plain_text_has_no_markup_and_no_gaps() -> None:
    for message in (render_email(), render_email(bare_summary()), render_note(recipient())):
        assert not re.search(r"<[a-z/]|&[a-z#0-9]+;", message.text)
        assert "\n\n\n" not in message.text
        printable = set(string.printable) | {"\n"}
        odd = {each for each in message.text if each not in printable}
        assert all(unicodedata.category(each)[0] != "C" for each in odd)
