"""Games of a week: our own documents, and the application's with their tags."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chesscoach.mongo.client import Document
from chesscoach.players.game import PlayedGame
from chesscoach.players.store.game_parser import parse_game

TUESDAY = datetime(2026, 11, 17, 10, tzinfo=UTC)


def parse(**fields: Any) -> PlayedGame:
    document: Document = {
        "game_id": "g", "user_id": "ann", "platform": "lichess", "username": "Ann", "head": "",
        "url": "https://lichess.org/abcdefgh", "user_color": "black", "result": "0-1",
        "time_control": "blitz", "imported_at": TUESDAY.isoformat(),
    }  # fmt: skip
    game = parse_game(document | fields)
    assert game is not None
    return game


TAGS = (
    '[White "Bob"]\n[Black "ann"]\n[WhiteElo "1610"]\n[BlackElo "1500"]\n'
    '[WhiteRatingDiff "-6"]\n[BlackRatingDiff "+7"]\n[UTCDate "2026.11.18"]\n[UTCTime "09:00:00"]\n'
)


def test_a_lichess_game_of_ours_knows_the_rating_before_it_and_its_tags_the_change() -> None:
    game = parse(ended_at=TUESDAY.isoformat(), user_rating=1500, opponent="Bob", head=TAGS)
    assert (game.rating_before, game.rating_after) == (1500, 1507)
    assert (game.opponent, game.colour, game.result) == ("Bob", "black", "0-1")
    assert game.ended_at == TUESDAY


def test_a_chesscom_game_of_ours_knows_the_rating_after_it() -> None:
    game = parse(platform="chess.com", ended_at=TUESDAY, user_rating=1400, opponent="Bob")
    assert (game.platform, game.rating_before, game.rating_after) == ("chess.com", None, 1400)


def test_an_imported_game_is_known_by_its_tags() -> None:
    game = parse(head=TAGS, user_color=None)
    assert (game.rating_before, game.rating_after) == (1500, 1507)
    assert (game.opponent, game.colour) == ("Bob", "black")
    assert game.ended_at == datetime(2026, 11, 18, 9, tzinfo=UTC)


def test_an_imported_chesscom_game_ended_when_its_tags_say_so_and_was_rated_then() -> None:
    pgn = TAGS + '[Date "2026.11.01"]\n[EndDate "2026.11.20"]\n[EndTime "23:59:59"]\n'
    game = parse(platform="chess.com", head=pgn)
    assert (game.rating_before, game.rating_after) == (None, 1500)
    assert game.ended_at == datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)


def test_a_day_without_a_time_means_its_noon() -> None:
    game = parse(head='[Date "2026.11.19"]\n')
    assert game.ended_at == datetime(2026, 11, 19, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "fields", [{"variant": "chess960"}, {"head": TAGS + '[Variant "Atomic"]\n'}, {"head": ""}]
)
def test_a_rating_of_another_variant_or_none_is_unknown(fields: Document) -> None:
    game = parse(ended_at=TUESDAY, **{"head": TAGS} | fields)
    assert (game.rating_before, game.rating_after) == (None, None)


def test_words_that_are_not_known_are_kept_and_what_is_no_word_is_other() -> None:
    game = parse(platform="fics", time_control=[5], result="abandoned", url=None, opponent=7)
    assert (game.platform, game.speed, game.result) == ("fics", "other", "*")
    assert (game.url, game.opponent) == ("", "")


@pytest.mark.parametrize(
    ("stored", "tag", "result"),
    [
        ("mate", "1-0", "1-0"),
        ("resign", "0-1", "0-1"),
        ("outoftime", "1/2-1/2", "1/2-1/2"),
        ("draw", "1/2-1/2", "1/2-1/2"),
        ("abandoned", "1-0", "1-0"),
        ("*", "0-1", "0-1"),
        (None, "0-1", "0-1"),
        (["1-0"], "0-1", "0-1"),
        (" 1-0 ", "0-1", "1-0"),
        ("1-0", "0-1", "1-0"),
        ("mate", "*", "*"),
        ("mate", "white won", "*"),
        ("mate", None, "*"),
    ],
)
@pytest.mark.parametrize("name", ["Result", "result", "RESULT"])
def test_a_result_that_is_a_status_word_is_that_of_the_tags(
    stored: object, tag: str | None, result: str, name: str
) -> None:
    head = f'[Event "x"]\n[{name} "{tag}"]\n' if tag is not None else '[Event "x"]\n'
    assert parse(result=stored, head=head).result == result


def test_tags_may_have_any_capitals() -> None:
    game = parse(head=TAGS.upper().replace("ANN", "ann"), user_color=None)
    assert (game.rating_before, game.rating_after) == (1500, 1507)
    assert (game.opponent, game.colour) == ("BOB", "black")
    assert game.ended_at == datetime(2026, 11, 18, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "head", "speed"),
    [
        ("Live Chess", '[TimeControl "600"]\n', "rapid"),
        ("Live Chess", '[Timecontrol "-"]\n[Event "Rated Bullet game"]\n', "bullet"),
        ("Live Chess", "", "other"),
        (None, '[Timecontrol "60"]\n', "bullet"),
        ("blitz", '[TimeControl "60"]\n', "blitz"),
    ],
)
def test_the_tags_have_the_speed_where_the_time_control_is_an_event(
    stored: object, head: str, speed: str
) -> None:
    assert parse(platform="chess.com", time_control=stored, head=head).speed == speed
