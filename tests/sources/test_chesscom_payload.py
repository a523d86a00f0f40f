import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.demo.world import player_uuid
from chesscoach.errors import (
    BadResponse,
    StreamTruncated,
)
from chesscoach.sources.game import Game, Side
from tests.support.sources.chesscom_months import (
    ENDED,
    MISSING,
    STANDARD_FEN,
    UUID,
    fixed_response,
    make_game,
    make_pgn,
    make_side,
    open_chesscom,
    parse_games,
    parse_one,
    unix_seconds,
)
from tests.support.sources.server import (
    http_server,
    scripted_responses,
)

# A game as a value


async def test_a_live_game_is_read_in_full() -> None:
    assert await parse_one() == Game(
        platform="chess.com",
        external_id=UUID,
        url="https://www.chess.com/game/live/171234567890",
        white=Side(name="AnnRook", key=player_uuid("annrook"), rating=1432),
        black=Side(name="Bob-64", key=player_uuid("bob-64"), rating=1401),
        result="1-0",
        speed="rapid",
        variant="chess",
        standard=True,
        rated=True,
        started_at=datetime(2026, 3, 4, 18, 22, 40, tzinfo=UTC),
        ended_at=ENDED,
        plies=3,
        pgn=make_pgn(),
        ending="resigned",
    )


async def test_a_daily_game_starts_when_it_says_and_not_when_its_pgn_does() -> None:
    started = ENDED - timedelta(days=40)
    game = await parse_one(
        time_class="daily", time_control="1/259200", start_time=unix_seconds(started)
    )

    assert (game.speed, game.started_at, game.ended_at) == ("daily", started, ENDED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        make_pgn(UTCDate="????.??.??"),
        make_pgn(UTCTime="25:00:00"),
        '[Event "x"]\n\n1. e4 *\n',
    ],
)
async def test_a_live_game_without_a_usable_start_in_its_pgn_has_none(text: str) -> None:
    assert (await parse_one(pgn=text)).started_at is None


@pytest.mark.parametrize("missing", [MISSING, None, ""])
async def test_a_game_may_come_without_a_pgn(missing: Any) -> None:
    game = await parse_one(pgn=missing)

    assert (game.pgn, game.plies, game.result, game.started_at) == ("", 0, "1-0", None)


async def test_bughouse_comes_without_a_pgn_and_with_codes_of_its_own() -> None:
    game = await parse_one(
        rules="bughouse",
        pgn=MISSING,
        white=make_side("AnnRook", "bughousepartnerlose"),
        black=make_side("Bob-64", "win"),
    )

    assert (game.variant, game.standard, game.result) == ("bughouse", False, "0-1")


@pytest.mark.parametrize("rules", ["chess960", "crazyhouse", "threecheck", "somethingNew"])
async def test_a_variant_is_not_standard(rules: str) -> None:
    game = await parse_one(rules=rules)

    assert (game.variant, game.standard) == (rules, False)


async def test_a_game_from_a_position_is_not_standard() -> None:
    assert (await parse_one(initial_setup="8/8/8/4k3/8/4K3/4P3/8 w - - 0 1")).standard is False


@pytest.mark.parametrize("setup", [MISSING, None, "", STANDARD_FEN])
async def test_a_game_is_standard_though_its_first_position_is_not_given(setup: Any) -> None:
    assert (await parse_one(initial_setup=setup)).standard is True


async def test_the_uuid_is_the_identity_also_where_the_url_holds_it() -> None:
    url = f"https://www.chess.com/game/{UUID}"
    game = await parse_one(url=url)

    assert (game.external_id, game.url) == (UUID, url)


async def test_without_a_uuid_the_url_is_the_identity() -> None:
    game = await parse_one(uuid=MISSING)

    assert game.external_id == game.url == "https://www.chess.com/game/live/171234567890"


async def test_without_a_url_it_is_made_of_the_uuid() -> None:
    assert (await parse_one(url=MISSING)).url == f"https://www.chess.com/game/{UUID}"


async def test_a_player_without_a_uuid_or_a_rating_is_read() -> None:
    game = await parse_one(
        white=make_side("AnnRook", "win", uuid=MISSING, rating=MISSING), black={}
    )

    assert game.white == Side(name="AnnRook", key=None, rating=None)
    assert game.black == Side(name="", key=None, rating=None)


async def test_fields_that_come_later_or_that_we_do_not_know_do_no_harm() -> None:
    plain = await parse_one()
    more = await parse_one(
        match="https://api.chess.com/pub/match/1",
        tournament="https://api.chess.com/pub/tournament/x",
        new={"field": [1, None]},
        eco=MISSING,
        tcn=MISSING,
        fen=MISSING,
    )

    assert more == plain


# Who won

LOST = [
    "checkmated",
    "timeout",
    "resigned",
    "lose",
    "abandoned",
    "kingofthehill",
    "threecheck",
    "bughousepartnerlose",
]
DRAWN = ["agreed", "repetition", "stalemate", "insufficient", "50move", "timevsinsufficient"]


@pytest.mark.parametrize(
    ("white", "black", "result"),
    [
        *(("win", code, "1-0") for code in LOST),
        *((code, "win", "0-1") for code in LOST),
        *((code, code, "1/2-1/2") for code in DRAWN),
        ("timevsinsufficient", "insufficient", "1/2-1/2"),
        ("win", "newLoss", "1-0"),
        ("newLoss", "win", "0-1"),
        ("newWin", "resigned", "1-0"),
        ("resigned", "newWin", "0-1"),
        ("newDraw", "agreed", "1/2-1/2"),
        ("repetition", "", "1/2-1/2"),
    ],
)
async def test_the_result_follows_from_the_codes_of_the_sides(
    white: str, black: str, result: str
) -> None:
    parsed = await parse_one(
        white=make_side("AnnRook", white),
        black=make_side("Bob-64", black),
        pgn=make_pgn(result="*"),
    )

    assert parsed.result == result


@pytest.mark.parametrize("result", ["1-0", "0-1", "1/2-1/2", "*"])
async def test_with_codes_that_we_do_not_know_the_result_is_the_pgns(result: str) -> None:
    parsed = await parse_one(
        white=make_side("AnnRook", "new"),
        black=make_side("Bob-64", "newer"),
        pgn=make_pgn(result=result),
    )

    assert parsed.result == result


@pytest.mark.parametrize("result", ["1-0", "0-1", "1/2-1/2", "*"])
@pytest.mark.parametrize(
    ("white", "black"),
    [("abandoned", "abandoned"), ("timeout", "resigned"), ("win", "win"), ("lose", "abandoned")],
)
async def test_with_codes_that_contradict_each_other_the_result_is_the_pgns(
    white: str, black: str, result: str
) -> None:
    parsed = await parse_one(
        white=make_side("AnnRook", white),
        black=make_side("Bob-64", black),
        pgn=make_pgn(result=result),
    )

    assert parsed.result == result


async def test_a_game_whose_pgn_has_no_tags_has_its_moves_counted() -> None:
    assert (await parse_one(pgn="1. e4 d5 2. exd5 1-0")).plies == 3


@pytest.mark.parametrize("text", [MISSING, "", make_pgn(result="White wins"), "not a pgn"])
async def test_with_neither_codes_nor_a_pgn_the_result_is_not_known(text: Any) -> None:
    parsed = await parse_one(
        white=make_side("AnnRook", "new"), black=make_side("Bob-64", "newer"), pgn=text
    )

    assert parsed.result == "*"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pgn": 17}, "pgn"),
        ({"white": "https://api.chess.com/pub/player/annrook"}, "white"),
        ({"white": []}, "white"),
        ({"rated": "yes"}, "rated"),
        ({"accuracies": {"white": "high", "black": 1}}, "accuracies.white"),
        ({"start_time": 17}, "start_time"),
        ({"start_time": 10**16}, "start_time"),
    ],
)
async def test_an_optional_field_of_another_kind_costs_only_itself_and_is_reported(
    changes: dict[str, Any], field: str
) -> None:
    parsed = await parse_one(**changes)

    assert parsed.unknown == (field,)
    assert (parsed.external_id, parsed.result) == (UUID, "1-0")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rules": "duck"}, "variant"),
        ({"time_class": "glacial"}, "speed"),
        ({"black": make_side("Bob-64", "abducted")}, "result"),
    ],
)
async def test_words_that_we_do_not_know_are_kept_as_they_came_and_reported(
    changes: dict[str, Any], field: str
) -> None:
    parsed = await parse_one(**changes)

    assert parsed.unknown == (field,)
    assert {"duck", "glacial", "abducted"} & {parsed.variant, parsed.speed, parsed.ending}


async def test_milliseconds_where_seconds_belong_are_read_as_milliseconds() -> None:
    parsed = await parse_one(
        end_time=unix_seconds(ENDED) * 1000, start_time=unix_seconds(ENDED) * 1000 - 60_000
    )

    assert (parsed.ended_at, parsed.started_at) == (ENDED, ENDED - timedelta(seconds=60))


async def test_accuracies_come_for_both_sides_or_not_at_all() -> None:
    both = await parse_one(accuracies={"white": 97.31, "black": 54.2})
    half = await parse_one(accuracies={"white": 97.31})

    assert (both.accuracies, half.accuracies) == ((97.31, 54.2), None)


async def test_another_first_position_is_kept() -> None:
    fen = "bqnbrkrn/pppppppp/8/8/8/8/PPPPPPPP/BQNBRKRN w KQkq - 0 1"
    parsed = await parse_one(rules="chess960", initial_setup=fen)

    assert (parsed.initial_fen, parsed.standard) == (fen, False)


# What cannot be read


@pytest.mark.parametrize(
    "changes",
    [
        {"end_time": unix_seconds(ENDED) * 10},
        {"end_time": 0},
        {"end_time": MISSING},
        {"end_time": "2026-03-04"},
        {"end_time": None},
        {"pgn": "1. e4 " * 2**18},
    ],
)
async def test_a_bad_game_is_unreadable_by_its_uuid_and_does_not_spoil_the_month(
    changes: dict[str, Any],
) -> None:
    other = make_game(uuid="another", url="https://www.chess.com/game/live/1")
    month = await parse_games(make_game(**changes), other)

    assert month.unreadable == (UUID,)
    assert [game.external_id for game in month.games] == ["another"]


@pytest.mark.parametrize("field", ["uuid", "url", "rated", "rules", "time_class", "pgn", "white"])
async def test_null_is_as_good_as_a_field_that_is_missing(field: str) -> None:
    month = await parse_games(make_game(**{field: None}))

    assert (len(month.games), month.unreadable) == (1, ())


async def test_a_bad_game_without_a_uuid_is_unreadable_by_the_end_of_its_url() -> None:
    month = await parse_games(make_game(uuid=MISSING, end_time=1))

    assert month.unreadable == ("171234567890",)


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        17,
        "game",
        [],
        {},
        {"uuid": 17},
        {"uuid": "", "url": "", "end_time": unix_seconds(ENDED)},
    ],
)
async def test_what_is_no_game_at_all_is_unreadable_without_a_name(nothing: Any) -> None:
    month = await parse_games(nothing, make_game())

    assert month.unreadable == ("",)
    assert len(month.games) == 1


@pytest.mark.parametrize(
    "odd", ["x" * 10_000, "a secret of 16 b", "planted-secret-of-32-characters!"]
)
async def test_what_is_no_id_by_its_form_is_not_reported_as_one(odd: str) -> None:
    month = await parse_games({"uuid": odd})

    assert month.unreadable == ("",)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b"null",
        b'{"games":{}}',
        b'{"games":null}',
        b'{"games":[',
        b'{"games":[{"uuid":"x"}',
        b"<!DOCTYPE html><html><title>Just a moment...</title></html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"games":' + b'{"a":' * 100_000,
    ],
)
async def test_a_reply_that_is_no_month_is_a_bad_reply(reply: bytes) -> None:
    async with http_server(fixed_response(reply)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.month("annrook", "2026-03", None)

    assert "annrook" not in str(caught.value)


async def test_html_that_calls_itself_a_month_in_all_but_name_is_a_bad_reply() -> None:
    headers = {"Content-Type": "text/html", "ETag": 'W/"1"'}
    handler = fixed_response("<html>outage</html>", headers=headers)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


async def test_a_month_that_is_cut_is_no_month() -> None:
    text = json.dumps({"games": [make_game(), make_game(uuid="another")]}).encode()
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text[:-200])
    async with scripted_responses([cut]) as url, open_chesscom(url) as source:
        with pytest.raises(StreamTruncated):
            await source.month("annrook", "2026-03", None)
