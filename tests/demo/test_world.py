"""The sample world, and the famous games that are played in it."""

import re
from collections import Counter
from datetime import timedelta

import pytest

from chesscoach.demo.world import (
    HistoricalGame,
    SimulatedGame,
    SourceName,
    World,
    historical_games,
    player_uuid,
    sample_world,
)
from tests.conftest import NOON

FAMOUS = historical_games()
SAN = re.compile(
    r"(?:O-O(?:-O)?|(?P<piece>[KQRBN]?)[a-h]?[1-8]?x?(?P<to>[a-h][1-8])(?:=(?P<new>[QRBN]))?)[+#]?"
)


def board_of(fen: str) -> dict[int, str]:
    """The pieces of a position, by the number of their square: a1 is 0, h8 is 63."""
    ranks = fen.split()[0].split("/")
    assert len(ranks) == 8
    pieces = {}
    for rank, signs in zip(range(7, -1, -1), ranks, strict=True):
        file = 0
        for sign in signs:
            if sign.isdigit():
                file += int(sign)
            else:
                pieces[rank * 8 + file] = sign
                file += 1
        assert file == 8
    return pieces


# Famous games


def test_there_are_enough_famous_games_and_none_of_them_twice() -> None:
    assert len(FAMOUS) >= 30
    assert len({famous.moves for famous in FAMOUS}) == len(FAMOUS)
    assert len({len(famous.moves.split()) for famous in FAMOUS}) > 20, "of many lengths"
    assert {famous.result for famous in FAMOUS} == {"1-0", "0-1", "1/2-1/2"}


@pytest.mark.parametrize("famous", FAMOUS, ids=lambda famous: f"{famous.white}")
def test_a_famous_game_is_described_in_full_and_legal_at_a_glance(famous: HistoricalGame) -> None:
    for text in (famous.white, famous.black, famous.event, famous.opening):
        assert text.strip()
        assert text.isascii()
        assert '"' not in text
    assert 1475 <= famous.year <= 2026
    assert re.fullmatch(r"[A-E]\d\d", famous.eco)

    moves = famous.moves.split()
    assert [san for san in moves if not SAN.fullmatch(san)] == []
    assert famous.moves == " ".join(moves)
    assert not any("#" in san for san in moves[:-1])
    if moves[-1].endswith("#"):
        assert famous.result == ("1-0" if len(moves) % 2 else "0-1")

    pieces = Counter(board_of(famous.fen).values())
    assert pieces["K"] == pieces["k"] == 1
    assert pieces.total() == 32 - famous.moves.count("x")
    _, turn, castling, en_passant, halves, full = famous.fen.split()
    assert (turn, int(full)) == ("wb"[len(moves) % 2], len(moves) // 2 + 1)
    assert int(halves) <= len(moves)
    assert re.fullmatch(r"-|K?Q?k?q?", castling)
    assert re.fullmatch(r"-|[a-h][36]", en_passant)


# Playing


def test_a_game_belongs_to_both_of_its_players_and_connects_them() -> None:
    world = World()
    ann = world.add_player("lichess", "Ann", NOON - timedelta(days=3))
    bob = world.add_player("lichess", "Bob", NOON + timedelta(days=3))
    game = world.add_game("lichess", "Ann", NOON, opponent="Bob")

    assert ann.games == bob.games == [game]
    assert {game.white, game.black} == {"Ann", "Bob"}
    assert ann.seen_at == NOON
    assert bob.seen_at == NOON + timedelta(days=3), "he was seen since"
    assert world.games == {f"lichess:{game.id}": game}
    assert game.started_at < NOON


def test_a_renamed_player_keeps_their_identity_and_their_games_show_the_new_name() -> None:
    world = World()
    ann = world.add_player("chess.com", "Ann", NOON)
    game = world.add_game("chess.com", "Ann", NOON, opponent="Bob")
    keys = game.keys
    world.rename("Ann", "Annette")
    later = world.add_game("chess.com", "Annette", NOON, opponent="Bob")

    assert world.players["chess.com"] == {"annette": ann}
    assert world.renamed == {"ann": "annette"}
    assert {game.white, game.black} == {"Annette", "Bob"}
    assert game.keys == keys
    assert set(later.keys) == {ann.key, player_uuid("Bob")}


def test_a_name_that_is_free_again_or_of_the_other_source_is_another_players() -> None:
    world = World()
    ann = world.add_player("chess.com", "Ann", NOON)
    world.rename("Ann", "Annette")
    other = world.add_player("chess.com", "Ann", NOON)
    elsewhere = world.add_player("lichess", "Ann", NOON)
    game = world.add_game("chess.com", "Ann", NOON)

    assert world.renamed == {}
    assert other.key != ann.key
    assert (other.games, elsewhere.games) == ([game], [])


def test_the_names_of_games_are_of_the_sites_own_forms_and_never_the_same() -> None:
    world = World()
    sites: tuple[SourceName, ...] = ("lichess", "chess.com")
    for site in sites:
        world.add_player(site, "Ann", NOON)
    games: dict[SourceName, list[SimulatedGame]] = {
        site: [world.add_game(site, "Ann", NOON) for _ in range(300)] for site in sites
    }

    assert all(re.fullmatch(r"[0-9A-Za-z]{8}", game.id) for game in games["lichess"])
    assert all(game.url == f"https://lichess.org/{game.id}" for game in games["lichess"])
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", game.id)
        for game in games["chess.com"]
    )
    for name in ("id", "url"):
        assert len({getattr(g, name) for listed in games.values() for g in listed}) == 600


# The sample world


def test_the_sample_world_can_be_built_again() -> None:
    def events(world: World) -> list[tuple[object, ...]]:
        return [
            (key, game.url, game.white, game.black, game.started_at, game.historical.moves)
            for key, game in world.games.items()
        ]

    first, members = sample_world(NOON)
    again, same = sample_world(NOON)
    other, _ = sample_world(NOON, seed=8)

    assert events(first) == events(again) != events(other)
    assert members == same


def test_the_sample_world_lies_before_its_anchor_and_within_three_months() -> None:
    world, members = sample_world(NOON)

    assert len(members) == len({user_id for user_id, _, _ in members})
    for _, lichess, chesscom in members:
        assert lichess or chesscom
        if lichess:
            assert len(list(world.finished_games("lichess", lichess))) >= 6
        if chesscom:
            assert len(list(world.finished_games("chess.com", chesscom))) >= 6
    for game in world.games.values():
        assert game.ended_at is not None
        assert NOON - timedelta(days=90) < game.started_at < game.ended_at < NOON
