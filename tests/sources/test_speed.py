"""The speed of a game by what the application stores as its time control."""

import pytest

from chesscoach.sources.speed import SPEEDS, speed_class


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_class_is_itself_in_any_capitals(speed: str) -> None:
    for text in (speed, speed.title(), speed.upper(), f"rated {speed} game", f"Casual-{speed}."):
        assert speed_class("lichess", [text]) == speed


@pytest.mark.parametrize(
    ("text", "lichess", "chesscom"),
    [
        ("15", "ultrabullet", "bullet"),
        ("0+1", "bullet", "bullet"),
        ("60", "bullet", "bullet"),
        ("120+1", "bullet", "bullet"),
        ("179", "bullet", "bullet"),
        ("180", "blitz", "blitz"),
        ("180+2", "blitz", "blitz"),
        ("300+3", "blitz", "blitz"),
        ("480", "rapid", "blitz"),
        ("599", "rapid", "blitz"),
        ("600", "rapid", "rapid"),
        ("900+10", "rapid", "rapid"),
        ("1500", "classical", "rapid"),
        ("1800+20", "classical", "rapid"),
        ("40/7200:3600", "classical", "rapid"),
        ("*180", "blitz", "blitz"),
        ("3+2", "blitz", "blitz"),
        ("10 | 5", "rapid", "rapid"),
        ("1/86400", "correspondence", "daily"),
        ("1/1209600", "correspondence", "daily"),
    ],
)
def test_a_clock_is_the_class_of_its_source(text: str, lichess: str, chesscom: str) -> None:
    assert speed_class("lichess", [text]) == lichess
    assert speed_class("chess.com", [text]) == chesscom


@pytest.mark.parametrize(
    "text",
    ["", "-", "?", "*", "0", "0+0", "Live Chess", "Let's Play!", "Let's go, bulletproof", "other",
     "2026.11.18", "600 seconds", "1234567890", "-600", "Blitz and Rapid", "\u0663+2", "6\n0"],
)  # fmt: skip
def test_what_is_no_time_control_has_no_class(text: str) -> None:
    assert speed_class("chess.com", [text]) is None


def test_the_first_description_with_a_class_counts() -> None:
    assert speed_class("chess.com", ["Live Chess", "-", "180", "Rapid"]) == "blitz"
    assert speed_class("chess.com", []) is None
