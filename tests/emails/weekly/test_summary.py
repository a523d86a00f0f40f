from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chesscoach.emails.weekly import summary as rules
from chesscoach.emails.weekly.values import AnalysedGame, PlayerWeek, Summary, Swing
from chesscoach.players.game import PlayedGame
from chesscoach.schedules.iso_week import Week
from chesscoach.sources.game import Colour, GameResult

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
NEXT_MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


def played_game(hour: int, **changes: Any) -> PlayedGame:
    fields: dict[str, Any] = {
        "game_id": f"g{hour}",
        "platform": "lichess",
        "speed": "blitz",
        "colour": "white",
        "result": "1-0",
        "ended_at": MONDAY + timedelta(hours=hour),
    }
    return PlayedGame(**fields | changes)


def analysed_game(hour: int, **changes: Any) -> AnalysedGame:
    fields: dict[str, Any] = {
        "game_id": f"g{hour}",
        "analysed_at": MONDAY + timedelta(hours=hour),
        "accuracy": 80.0,
        "blunders": 0,
        "mistakes": 0,
        "best_moves": 0,
    }
    return AnalysedGame(**fields | changes)


def player_week(**fields: Any) -> PlayerWeek:
    return PlayerWeek(user_id="ann", week=Week(2026, 47), **fields)


def summarise(player_week: PlayerWeek, now: datetime = NEXT_MONDAY) -> Summary:
    return rules.summarise(player_week, now)


def games_with_blunders(*counts: int) -> tuple[AnalysedGame, ...]:
    return tuple(analysed_game(hour, blunders=count) for hour, count in enumerate(counts))


def test_a_week_without_activity_is_empty_and_has_no_reproach() -> None:
    summary = summarise(player_week())
    assert summary.is_empty
    assert (summary.results_by_speed, summary.accuracy.games, summary.accuracy.accuracy) == (
        (),
        0,
        None,
    )
    assert (summary.best_game, summary.critical, summary.trend) == (None, None, "stable")


@pytest.mark.parametrize(
    ("result", "colour", "won", "drawn", "lost"),
    [
        ("1-0", "white", 1, 0, 0),
        ("1-0", "black", 0, 0, 1),
        ("0-1", "white", 0, 0, 1),
        ("0-1", "black", 1, 0, 0),
        ("1/2-1/2", "white", 0, 1, 0),
        ("1/2-1/2", None, 0, 1, 0),
        ("1-0", None, 0, 0, 0),
        ("*", "white", 0, 0, 0),
    ],
)
def test_a_game_is_won_drawn_or_lost_by_the_players_colour_and_played_in_any_case(
    result: GameResult, colour: Colour | None, won: int, drawn: int, lost: int
) -> None:
    (tally,) = summarise(
        player_week(played=(played_game(1, result=result, colour=colour),))
    ).results_by_speed
    assert (tally.played, tally.won, tally.drawn, tally.lost) == (1, won, drawn, lost)


def test_games_are_reported_by_platform_and_speed_the_most_played_first() -> None:
    games = (
        played_game(1, platform="chess.com", speed="rapid"),
        played_game(2, speed="bullet"),
        played_game(3, platform="chess.com"),
        played_game(4),
        played_game(5, speed="bullet"),
    )
    summary = summarise(player_week(played=games))
    assert [(tally.platform, tally.speed, tally.played) for tally in summary.results_by_speed] == [
        ("lichess", "bullet", 2),
        ("chess.com", "blitz", 1),
        ("chess.com", "rapid", 1),
        ("lichess", "blitz", 1),
    ]
    assert summary.played == 5


def test_ratings_are_the_first_known_of_the_week_and_the_last_in_the_order_of_the_games() -> None:
    lichess = (
        played_game(9, rating_before=1520),
        played_game(1),
        played_game(2, rating_before=1500, rating_after=1507),
    )
    chesscom = tuple(
        played_game(hour, platform="chess.com", rating_after=rating)
        for hour, rating in ((3, 1410), (2, 1400), (4, None))
    )
    summary = summarise(player_week(played=(*lichess, *chesscom, played_game(5, speed="rapid"))))
    assert [
        (tally.platform, tally.rating_start, tally.rating_end) for tally in summary.results_by_speed
    ] == [("chess.com", 1400, 1410), ("lichess", 1500, 1520), ("lichess", None, None)]


def test_a_form_is_the_mean_accuracy_and_the_sum_of_the_counts() -> None:
    summary = summarise(
        player_week(
            analysed=(
                analysed_game(1, accuracy=70.0, blunders=1, mistakes=2, best_moves=3),
                analysed_game(2, accuracy=91.0, blunders=2, mistakes=0, best_moves=8),
            ),
            analysed_before=(analysed_game(-1, accuracy=60.0, blunders=4, mistakes=1),),
        )
    )
    form, before = summary.accuracy, summary.before
    assert (form.games, form.accuracy) == (2, 80.5)
    assert (form.blunders, form.mistakes, form.best_moves) == (3, 2, 11)
    assert form.per_game(form.blunders) == 1.5
    assert (before.games, before.accuracy, before.blunders) == (1, 60.0, 4)
    assert not summary.is_empty


@pytest.mark.parametrize(
    ("now", "then", "trend"),
    [
        ((3, 4), (5, 5), "improving"),
        ((4, 4), (5, 5), "stable"),  # four fifths are not less than four fifths
        ((5,), (5, 5), "stable"),
        ((6,), (5, 5), "stable"),
        ((6, 7), (5, 5), "declining"),
        ((1,), (0,), "declining"),
        ((0,), (0,), "stable"),
        ((0,), (1,), "improving"),
        ((9,), (), "stable"),
        ((), (9,), "improving"),  # as the application has it: no game, no blunder
        ((), (), "stable"),
    ],
)
def test_the_trend_is_that_of_blunders_per_game(
    now: tuple[int, ...], then: tuple[int, ...], trend: str
) -> None:
    week_played = player_week(
        analysed=games_with_blunders(*now), analysed_before=games_with_blunders(*then)
    )
    assert summarise(week_played).trend == trend


def test_the_best_game_is_the_most_accurate_and_of_equals_the_later() -> None:
    games = (
        analysed_game(3, accuracy=90.0),
        analysed_game(5, accuracy=95.5),
        analysed_game(4, accuracy=95.5),
    )
    for analysed in (games, (*games, games[1])):  # also where one is there twice
        best = summarise(player_week(analysed=analysed)).best_game
        assert best is not None
        assert (best.game_id, best.accuracy) == ("g5", 95.5)


def test_the_critical_moment_is_the_largest_swing_wherever_it_was() -> None:
    game = played_game(2)
    games = (
        analysed_game(1, swing=Swing(cp_loss=300.0)),
        analysed_game(2, swing=Swing(cp_loss=910.0, move_number=17, move="Qxb7"), game=game),
        analysed_game(3, swing=Swing(cp_loss=910.0), analysed_at=MONDAY),
        analysed_game(4),
    )
    critical = summarise(player_week(analysed=games)).critical
    assert critical is not None
    assert (critical.game_id, critical.game) == ("g2", game)
    assert critical.swing == Swing(cp_loss=910.0, move_number=17, move="Qxb7")


@pytest.mark.parametrize(
    ("fields", "focus"),
    [
        ({"weakness": "forks", "analysed": games_with_blunders(9)}, "weakness"),
        ({"analysed": games_with_blunders(2, 0)}, "blunders"),
        ({"analysed": (analysed_game(1, mistakes=2),)}, "mistakes"),
        ({"analysed": (analysed_game(1, mistakes=1),), "reflections": 1}, "keep_going"),
        ({"played": (played_game(1),), "reflections": 3}, "analyse"),
        ({"played": (played_game(1),), "analysed": games_with_blunders(0)}, "reflect"),
        ({"reflections": 1}, "keep_going"),
    ],
)
def test_the_focus_is_the_profiles_weakness_or_what_the_counts_point_at(
    fields: dict[str, Any], focus: str
) -> None:
    assert summarise(player_week(**fields)).focus == focus


def test_what_the_application_keeps_is_passed_on_as_it_is() -> None:
    kept: dict[str, Any] = {
        "weakness": "forks", "strength": "endings", "reflections": 5, "reflections_right": 3,
        "streak": 0, "longest_streak": 12, "points": 120, "level": 4,
    }  # fmt: skip
    summary = summarise(player_week(**kept))
    assert {name: getattr(summary, name) for name in kept} == kept
    assert (summary.user_id, summary.week.key) == ("ann", "2026-W47")


@pytest.mark.parametrize(
    ("last_activity", "zone", "shown"),
    [
        ("2026-11-23T08:00:00Z", "UTC", True),
        ("2026-11-22T00:00:00Z", "UTC", True),
        ("2026-11-21T23:59:59Z", "UTC", False),
        ("2026-11-22T08:00:00Z", "America/Los_Angeles", True),
        ("2026-11-22T07:59:59Z", "America/Los_Angeles", False),
        ("2026-11-21T15:00:00Z", "Asia/Tokyo", True),
        ("2026-11-21T14:59:59Z", "Asia/Tokyo", False),
        ("2026-11-24T00:00:00Z", "UTC", True),
        ("0001-01-01T00:00:00Z", "Pacific/Kiritimati", False),
        ("9999-12-31T23:59:59Z", "Pacific/Kiritimati", True),
        (None, "UTC", True),
    ],
)
def test_a_streak_is_current_until_the_end_of_the_players_next_day(
    last_activity: str | None, zone: str, shown: bool
) -> None:
    last = datetime.fromisoformat(last_activity) if last_activity else None
    week = player_week(streak=5, longest_streak=9, last_activity=last)

    summary = summarise(week, NEXT_MONDAY.astimezone(ZoneInfo(zone)))

    assert (summary.streak, summary.longest_streak) == (5 if shown else None, 9)
