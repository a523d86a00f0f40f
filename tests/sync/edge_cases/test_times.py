"""Case 24 of the list: instants of another form or another time, and games without moves."""

from datetime import UTC, datetime, timedelta

from tests.support.sync.sync_scenario import NO_MOVES, SyncScenario


async def test_case_24_a_game_from_the_future_does_not_move_the_cursor_past_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=60))
    sync.add_history("lichess", "Ann", 1200, minutes=2)
    games = sync.world.players["lichess"]["ann"].games
    games[40].fields = {"createdAt": 7_000_000_000_000}
    games[999].fields = {"createdAt": 7_000_000_000_000, "lastMoveAt": 7_000_000_000_000}

    await sync.run_succeeding()
    assert sync.account("lichess:ann")["cursor"] <= sync.clock.now
    later = sync.add_game("lichess", "Ann", sync.clock.now + timedelta(hours=1))
    await sync.run_later(hours=6)

    assert set(sync.urls("ann")) == {game.url for game in games}
    assert later.url in sync.urls("ann")


async def test_case_24_every_instant_is_sent_in_utc_and_since_has_thirteen_digits(
    sync: SyncScenario,
) -> None:
    leap = datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC)
    sync.clock.now = datetime(2024, 3, 1, 1, 30, tzinfo=UTC)
    sync.add_user("ann", lichess="Ann", synced=datetime(2024, 2, 29, 12, tzinfo=UTC))
    sync.add_user("old", lichess="Old", synced=datetime(2010, 1, 1, tzinfo=UTC))
    game = sync.add_game("lichess", "Ann", sync.before_now(minutes=30), started_at=leap)
    seconds = sync.add_game(
        "lichess", "Ann", sync.before_now(minutes=20), fields={"createdAt": int(leap.timestamp())}
    )
    sync.add_game("lichess", "Old", sync.before_now(minutes=30))

    await sync.run_succeeding()

    stored = sync.game(game, "ann")
    assert stored["started_at"] == leap.isoformat()
    assert datetime.fromisoformat(stored["ended_at"]) == game.ended_at
    assert sync.game(seconds, "ann")["started_at"] == leap.replace(microsecond=0).isoformat()
    for seen in sync.sites.lichess.requests:
        assert len(seen.query.get("since", "x" * 13)) == 13
    assert sync.sites.lichess.violations == []


async def test_case_24_times_in_milliseconds_and_from_the_future_do_no_harm(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    ended = sync.before_now(hours=3).replace(microsecond=0)
    millis = sync.add_game(
        "chess.com", "Ann", ended, fields={"end_time": int(ended.timestamp()) * 1000}
    )
    future = sync.add_game(
        "chess.com", "Ann", sync.before_now(hours=2), fields={"end_time": 9_000_000_000}
    )
    await sync.run_succeeding()
    stored = sync.game(millis, "ann")
    assert stored["ended_at"] == ended.isoformat()
    assert sync.account("chess.com:ann")["active_at"] == sync.clock.now
    later = sync.add_game("chess.com", "Ann", sync.clock.now)

    await sync.run_later(hours=6)

    assert {millis.url, future.url, later.url} == set(sync.urls("ann"))


async def test_case_24_a_game_without_moves_is_never_queued(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    ends = (sync.before_now(hours=1), sync.before_now(hours=2))
    games = sync.add_games("chess.com", "Ann", *ends, famous=NO_MOVES)

    await sync.run_succeeding()

    assert len(sync.urls("ann")) == len(games)
    assert sync.queued_game_ids("ann") == []
