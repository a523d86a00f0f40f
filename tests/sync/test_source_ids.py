import pytest

from chesscoach.sync import source_ids

UUID = "94e0b0ab-885a-11f1-9a4e-0123456789ab"


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("https://lichess.org/aB3dE5fG", "lichess:aB3dE5fG"),
        ("https://lichess.org/aB3dE5fG/black#31", "lichess:aB3dE5fG"),
        ("HTTPS://Lichess.ORG/aB3dE5fG", "lichess:aB3dE5fG"),
        ("https://lichess.org/aB3dE5fGhIjK", "lichess:aB3dE5fG"),  # with the player's own part
        ("http://www.lichess.org/embed/game/aB3dE5fG?theme=brown", "lichess:aB3dE5fG"),
        ("https://www.chess.com/game/live/170000000011", "chess.com:170000000011"),
        ("https://www.chess.com/game/daily/900000003?move=3", "chess.com:900000003"),
        ("https://www.chess.com/live/game/3210", "chess.com:3210"),
        ("http://chess.com/daily/game/3210/", "chess.com:3210"),
        ("https://www.chess.com/de/analysis/game/live/3210", "chess.com:3210"),
        (f"https://www.chess.com/game/{UUID.upper()}", f"chess.com:{UUID}"),
    ],
)
def test_a_text_names_one_game(text: str, id_: str) -> None:
    assert source_ids.ids_in(text) == {id_}


@pytest.mark.parametrize(
    "text",
    [
        "Chess.com",
        "https://lichess.org/study/aB3dE5fG/aB3dE5fG",
        "https://lichess.org/@/aB3dE5fG",
        "https://www.chess.com/tournament/live/170000000011",
        "https://notlichess.org/aB3dE5fG",
        "https://www.chess.com/game/live/170000000011x",
        "",
        None,
        170000000011,
        ["https://lichess.org/aB3dE5fG"],
    ],
)
def test_another_text_names_none(text: object) -> None:
    assert source_ids.ids_in(text) == set()
