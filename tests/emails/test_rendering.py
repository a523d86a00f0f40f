"""What an email says, in which words, and what it leaves out."""

import re
import string
import unicodedata
from pathlib import Path

import msgspec
import pytest

import chesscoach
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly.values import Highlight, ResultsBySpeed, Swing, WeekAccuracy
from tests.support.emails.parse_email import parse_email
from tests.support.emails.week_factory import (
    EMAILS,
    UNSUBSCRIBE,
    WEEK,
    bare_summary,
    full_summary,
    make_game,
    make_results,
    recipient,
    render_email,
)

PACKAGE = Path(chesscoach.__file__).parent


def render_note(recipient: Recipient) -> Message:
    return Renderer(EMAILS).render_no_games_note(
        WEEK, recipient, outbox_id="o1", unsubscribe_url=UNSUBSCRIBE
    )


def text_parts(message: Message) -> tuple[str, str]:
    """The two parts of an email as they are read."""
    return normalize_text(parse_email(message).text), normalize_text(message.text)


def normalize_text(text: str) -> str:
    """A text in one line, with hyphens for dashes: what typography adds is not the point."""
    return " ".join(text.replace("\N{EN DASH}", "-").split())


def test_a_full_week_has_the_same_content_in_html_and_in_plain_text() -> None:
    expected = (
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
        assert [text for text in expected if text not in part] == []


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


def test_games_whose_result_no_player_knows_are_counted_and_not_scored() -> None:
    unknown = ResultsBySpeed(platform="lichess", speed="rapid", played=2, won=0, drawn=0, lost=0)

    for part in text_parts(render_email(bare_summary(results_by_speed=(unknown,)))):
        assert "2 games" in part
        assert "/0" not in part


def test_a_half_point_is_written_as_players_write_it() -> None:
    for shown, results in (
        ("7½/14", make_results(played=14, won=7, drawn=1, lost=6)),
        ("½/1", make_results(played=1, won=0, drawn=1, lost=0)),
    ):
        assert shown in render_email(full_summary(results_by_speed=(results,))).text


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
def test_the_coachs_sentence_follows_from_the_numbers(
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


def test_a_speed_that_is_not_known_is_left_out() -> None:
    rows = (make_results(speed="other", played=2, won=0, drawn=0, lost=0, rating_end=None),)
    game = make_game(platform="chess.com", speed="other")
    message = render_email(
        full_summary(results_by_speed=rows, best_game=Highlight(game_id="g", accuracy=9, game=game))
    )
    assert "- Lichess: 2 games" in message.text
    assert "against rook_lifter · Chess.com\n" in message.text
    assert "other" not in message.text


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


def test_an_email_has_one_click_unsubscribe_and_suppresses_auto_replies() -> None:
    for message in (render_email(), render_note(recipient())):
        assert message.headers == {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        assert UNSUBSCRIBE in message.text
        assert UNSUBSCRIBE in parse_email(message).links
    without = render_email(unsubscribe_url="")
    assert "List-Unsubscribe" not in without.headers
    assert "Unsubscribe" not in without.text + without.html


def test_an_email_is_whole_on_its_own_and_small() -> None:
    for message in (render_email(), render_email(bare_summary()), render_note(recipient())):
        parsed = parse_email(message)
        assert parsed.open == []
        assert len(message.html.encode()) < 40_000
        assert {tag for _, tag, *_ in parsed.skeleton} & {"img", "link", "script", "svg"} == set()
        assert not re.search(r"url\(|@import|src=", message.html)
        assert "prefers-color-scheme" in message.html
        assert ("html", "lang", "en-GB") in parsed.values
        assert ("html", "dir", "ltr") in parsed.values
    styled = r'<td class="lead ink"[^>]* style="[^"]*font-size'
    assert re.search(styled, render_email().html), "CSS stands in the elements themselves"


def test_a_note_says_that_there_were_no_games() -> None:
    message = render_note(recipient())

    assert message.subject == "Your week in chess: no games this time"
    for part in text_parts(message):
        assert "No game of yours in this week." in part
        assert "9-15 November 2026" in part


PAGES = ("unsubscribe", "unsubscribed", "link_refused", "user_gone")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_on_its_own(name: str) -> None:
    page = Renderer(EMAILS).render_page(name, name="Mia", kind="weekly_summary")
    parsed = parse_email(page)

    assert parsed.open == []
    assert ("html", "lang", "en-GB") in parsed.values
    assert not re.search(r"url\(|@import|src=|<script|https?:", page)
    assert [tag for kind, tag, *_ in parsed.skeleton if (kind, tag) == ("<", "h1")] == ["h1"]


def test_only_the_page_that_asks_has_a_button() -> None:
    renderer = Renderer(EMAILS)
    asking = parse_email(renderer.render_page("unsubscribe"))

    assert ("form", "method", "post") in asking.values
    assert [value for value in asking.values if value[1] == "action"] == []
    for name in PAGES[1:]:
        assert "<form" not in renderer.render_page(name)


def test_plain_text_has_no_markup_and_no_gaps() -> None:
    for message in (render_email(), render_email(bare_summary()), render_note(recipient())):
        assert not re.search(r"<[a-z/]|&[a-z#0-9]+;", message.text)
        assert "\n\n\n" not in message.text
        printable = set(string.printable) | {"\n"}
        odd = {character for character in message.text if character not in printable}
        assert all(unicodedata.category(character)[0] != "C" for character in odd)


def test_a_name_keeps_its_joiners_in_both_parts() -> None:
    for name in ("می\u200cرود", "ශ්\u200dරී", "Mia 👩\u200d🚀"):
        message = render_email(recipient=recipient(name=name))
        assert f"Hello {name}," in message.text
        assert f"Hello {name}," in text_parts(message)[0]
