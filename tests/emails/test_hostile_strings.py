"""A hostile string stays in its value: the email around it does not change."""
# ruff: noqa: RUF001  # names in scripts that use joiners

import re
import unicodedata

import pytest

from chesscoach.emails.recipient import Recipient
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.sanitize import label_words, sanitize
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly.values import Highlight, ResultsBySpeed, Summary, Swing, WeekAccuracy
from tests.conftest import scaled_rounds
from tests.emails.hostile_strings import hostile_strings
from tests.support.emails.parse_email import ParsedHtml, parse_email
from tests.support.emails.week_factory import EMAILS, UNSUBSCRIBE, WEEK, full_summary, make_game

HOSTILE = hostile_strings(scaled_rounds(150, 100))
LINKS = re.compile(
    r"https://(lichess\.org|www\.chess\.com|chess\.com)/[A-Za-z0-9/_-]+"
    r"|https://coach\.example\.org/game/[A-Za-z0-9/_.%~-]+"
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(EMAILS)


def hostile_summary(text: str, seen: str, game_id: str = "3f1c") -> Summary:
    """A week with one text in all places; `seen` where the place is left out without a text."""
    game = make_game(opponent=seen, url=text, platform=text, speed=text)
    swing = Swing(cp_loss=300, move_number=7, move=seen)
    return full_summary(
        results_by_speed=(
            ResultsBySpeed(platform=text, speed=text, played=3, won=1, drawn=1, lost=1),
        ),
        weakness=seen,
        strength=seen,
        best_game=Highlight(game_id=game_id, accuracy=90.0, game=game),
        critical=Highlight(game_id=game_id, accuracy=50.0, game=game, swing=swing),
    )


def hostile_recipient(text: str) -> Recipient:
    """A player whose every field is that text."""
    return Recipient(user_id=text, email=text, name=text, timezone=text, language=text)


def render_summary(
    renderer: Renderer, summary: Summary, recipient: Recipient, unsubscribe_url: str = UNSUBSCRIBE
) -> Message:
    return renderer.render_summary(
        summary, recipient, outbox_id="o1", unsubscribe_url=unsubscribe_url
    )


def assert_harmless(message: Message) -> ParsedHtml:
    """Check what is true of every email."""
    parsed = parse_email(message)
    assert parsed.open == []
    assert {tag for mark, tag, *_ in parsed.skeleton if mark != "!"}.isdisjoint(
        {"script", "img", "svg", "iframe", "form", "base", "link", "b"}
    )
    header = message.headers["List-Unsubscribe"]
    assert re.fullmatch(r"<[!-;=?-~]+>", header)
    assert parsed.links[-1] == header[1:-1]
    for _, name, value in parsed.values:
        if value == header[1:-1]:
            continue
        assert not name.startswith("on")
        assert "javascript:" not in value.lower()
        assert "url(" not in value
    for link in parsed.links[:-1]:
        assert LINKS.fullmatch(link)
    for line in (message.subject, message.to, *message.headers, *message.headers.values()):
        assert {unicodedata.category(c) for c in line}.isdisjoint(("Cc", "Cf", "Zl", "Zp"))
    odd = {c for c in message.text if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert odd <= {"\n"}
    assert "1779547" not in message.html + message.text + message.subject
    assert len(message.subject) <= 150
    assert len(message.html.encode()) < 100_000
    assert len(message.text.encode()) < 20_000
    return parsed


def test_a_summary_keeps_its_skeleton_whatever_is_in_its_values(renderer: Renderer) -> None:
    skeletons = {
        seen: assert_harmless(
            render_summary(renderer, hostile_summary(seen, seen), hostile_recipient("Mia"))
        ).skeleton
        for seen in ("", "x")
    }
    assert skeletons[""] != skeletons["x"]

    for text in HOSTILE:
        message = render_summary(renderer, hostile_summary(text, text), hostile_recipient(text))
        assert assert_harmless(message).skeleton == skeletons["x" if label_words(text) else ""], (
            text[:100]
        )


def test_a_note_keeps_its_skeleton_whatever_the_player_is_called(renderer: Renderer) -> None:
    def note(recipient: Recipient) -> Message:
        return renderer.render_no_games_note(
            WEEK, recipient, outbox_id="o1", unsubscribe_url=UNSUBSCRIBE
        )

    benign = assert_harmless(note(hostile_recipient("Mia"))).skeleton

    for text in HOSTILE:
        assert assert_harmless(note(hostile_recipient(text))).skeleton == benign, text[:100]


@pytest.mark.parametrize("page", ["unsubscribe", "unsubscribed", "link_refused", "user_gone"])
def test_a_page_keeps_its_skeleton_whatever_the_player_is_called(
    page: str, renderer: Renderer
) -> None:
    benign = parse_email(renderer.render_page(page, name="Mia", kind="weekly_summary")).skeleton

    for text in HOSTILE:
        assert (
            parse_email(renderer.render_page(page, text, name=text, kind=text)).skeleton == benign
        )


def test_neither_the_id_of_a_game_nor_a_token_can_leave_its_place_in_a_link(
    renderer: Renderer,
) -> None:
    for text in HOSTILE:
        week = hostile_summary("", "x", game_id=text[:2000])
        url = f"{UNSUBSCRIBE}{text[:500]}"
        message = render_summary(renderer, week, hostile_recipient("Mia"), url)
        assert assert_harmless(message).links[-1].startswith(UNSUBSCRIBE)


def test_numbers_out_of_all_proportion_do_not_break_an_email(renderer: Renderer) -> None:
    results = ResultsBySpeed(
        platform="lichess", speed="blitz", played=10**9, won=10**9, drawn=1, lost=0
    )
    odd = full_summary(
        results_by_speed=(results,) * 50,
        accuracy=WeekAccuracy(games=1, accuracy=1e9, blunders=10**9),
        before=WeekAccuracy(games=1, accuracy=-5.0),
        streak=10**12,
        longest_streak=0,
    )

    assert_harmless(render_summary(renderer, odd, hostile_recipient("Mia")))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  Mia \t\r\n  Berg ", "Mia Berg"),
        ("\u202eaiM\u200b", "aiM"),
        ("Zoë 李 Ωmega", "Zoë 李 Ωmega"),
        ("e\u0301" + "\u0301" * 9, "é\u0301\u0301\u0301"),
        ("evil.example/win", "evil. example/win"),
        ("https://evil.example", "https: //evil. example"),
        ("mia@evil.example", "mia @ evil. example"),
        ("J. R. Capablanca", "J. R. Capablanca"),
        ("\u3164\u2800 ", ""),
        ("W" * 61, "W" * 59 + "…"),
    ],
)
def test_a_text_loses_its_invisible_characters(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",  # Persian: I want
        "خانه\u200cها",
        "مُ\u200cن",  # after a vowel sign
        "ශ්\u200dරී ලංකා",  # Sinhala: Sri Lanka
        "ක්\u200dෂ",
        "र्\u200dय क्\u200cष",  # Devanagari
        "র\u200d্যাব",  # Bengali: the joiner comes before the virama
        "ന്\u200d",  # Malayalam: a chillu of older texts
        "👩\u200d🚀",
        "👩🏽\u200d🔬",
        "👨\u200d👩\u200d👧\u200d👦",
        "🏳\ufe0f\u200d🌈",
        "❤\ufe0f\u200d🔥",
        "🤷🏿\u200d♀\ufe0f",
        "🏴\u200d☠\ufe0f",
        "🐈\u200d⬛",
    ],
)
def test_a_joiner_is_kept_where_it_belongs(text: str) -> None:
    assert sanitize(text) == text
    assert label_words(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A\u200cn\u200dn", "Ann"),
        ("\u200dAnn\u200c", "Ann"),
        ("\u200c\u200d", ""),
        ("Анна\u200d", "Анна"),
        ("שלום\u200cטוב", "שלוםטוב"),
        ("می\u200c\u200c\u200cخواهم", "می\u200cخواهم"),
        ("می\u200dخواهم", "میخواهم"),
        ("\u200cخواهم\u200c", "خواهم"),
        ("علی\u200c Ann", "علی Ann"),
        ("ශ්\u200d\u200d\u200dරී", "ශ්\u200dරී"),
        ("කමල\u200d", "කමල"),
        ("👩\u200d\u200d🚀", "👩\u200d🚀"),
        ("👩\u200c🚀", "👩🚀"),
        ("👩\u200d", "👩"),
        ("👩\u200d A", "👩 A"),
        ("\u200d🚀", "🚀"),
        ("☆\u200d☆", "☆☆"),
        ("می\u200e\u200cخ\u202eواهم", "می\u200cخواهم"),
        ("کتاب.ب\u200cب", "کتاب. ب\u200cب"),
        ("क्\u200d.com", "क्\u200d. com"),
    ],
)
def test_a_joiner_that_only_hides_is_removed(text: str, shown: str) -> None:
    assert sanitize(text) == shown


def test_a_text_that_is_cut_does_not_end_in_a_joiner() -> None:
    assert sanitize("ශ්\u200d" * 10, 6) == "ශ්\u200dශ්…"


def test_a_text_is_never_longer_than_its_place() -> None:
    for text in HOSTILE:
        assert len(sanitize(text, 40)) <= 40
