import pytest
from hypothesis import given

from chesscoach.sources.game import Platform
from chesscoach.sync import usernames
from tests.support.random_texts import texts


@pytest.mark.parametrize(
    ("platform", "name", "normal"),
    [
        ("lichess", "DrNykterstein", "drnykterstein"),
        ("lichess", "  Thibault\n", "thibault"),
        ("lichess", "a-b_C9", "a-b_c9"),
        ("lichess", "ab", "ab"),
        ("lichess", "a", None),
        ("lichess", "x" * 30, "x" * 30),
        ("lichess", "x" * 31, None),
        ("chess.com", "A", "a"),
        ("chess.com", "x" * 50, "x" * 50),
        ("chess.com", "x" * 51, None),
        ("chess.com", "Hikaru_1-2", "hikaru_1-2"),
    ],
)
def test_a_name_is_what_the_site_could_have_in_lower_case(
    platform: Platform, name: str, normal: str | None
) -> None:
    assert usernames.normalize_username(platform, name) == normal


NO_NAMES: list[object] = [
    "", "  ", None, 42, True, b"bytes", ["list"], {"$ne": None}, "a b", "a/b", "../ab", "a%2fb",
    "ab?x=1", "ab#c", "a.b", "ab\x00", "a\nb", "ab,cd", "a@b", "Éva", "\u017ftan", "٣٤٥",
    "\u212aate",
]  # fmt: skip


@pytest.mark.parametrize("platform", ["lichess", "chess.com"])
def test_any_other_value_is_not_a_name(platform: Platform) -> None:
    for value in NO_NAMES:
        assert usernames.normalize_username(platform, value) is None, value


@given(texts(max_size=60))
def test_nothing_but_plain_characters_ever_gets_into_a_request(text: str) -> None:
    for platform in ("lichess", "chess.com"):
        name = usernames.normalize_username(platform, text)
        if name is not None:
            assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
            assert usernames.normalize_username(platform, name) == name
