from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chesscoach.sources.lichess_status import LichessStatus
from chesscoach.sync import polling
from chesscoach.sync.account import Account, SealedMonth
from tests.conftest import NOON
from tests.support.sync.accounts import make_account


def idle_account(idle: timedelta, name: str = "ann") -> Account:
    """An account whose player was active so long before noon."""
    return make_account(name, platform="chess.com", active_at=NOON - idle)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("idle", "wait"),
    [
        (timedelta(0), timedelta(0)),
        (-DAY, timedelta(0)),  # seen after the check began
        (2 * DAY - MINUTE, timedelta(0)),
        (2 * DAY, DAY - 3 * HOUR),
        (14 * DAY - MINUTE, DAY - 3 * HOUR),
        (14 * DAY, 7 * DAY - 3 * HOUR),
        (90 * DAY - MINUTE, 7 * DAY - 3 * HOUR),
        (90 * DAY, 30 * DAY - 3 * HOUR),
        (5000 * DAY, 30 * DAY - 3 * HOUR),
    ],
)
def test_the_longer_players_are_idle_the_later_they_are_due(
    idle: timedelta, wait: timedelta
) -> None:
    due = polling.due_at(idle_account(idle), NOON)

    assert NOON + wait * 0.88 <= due <= NOON + wait


@given(st.timedeltas(-DAY, 400 * DAY), st.timedeltas(timedelta(0), 400 * DAY))
def test_no_player_is_due_later_than_one_who_is_idle_for_longer(
    idle: timedelta, more: timedelta
) -> None:
    assert polling.due_at(idle_account(idle), NOON) <= polling.due_at(
        idle_account(idle + more), NOON
    )


def test_accounts_that_were_checked_together_are_due_apart_and_always_at_the_same_distance() -> (
    None
):
    for idle, spread in ((20 * DAY, 12 * HOUR), (200 * DAY, 2 * DAY)):
        due = [polling.due_at(idle_account(idle, f"p{n}"), NOON) for n in range(200)]
        assert due == [polling.due_at(idle_account(idle, f"p{n}"), NOON) for n in range(200)]
        assert max(due) - min(due) > spread
    assert len({polling.due_at(idle_account(HOUR, f"p{n}"), NOON) for n in range(200)}) == 1


@pytest.mark.parametrize("status", ["closed", "missing"])
def test_an_account_that_lapsed_is_looked_for_once_a_week(status: Any) -> None:
    for idle in (HOUR, 400 * DAY):
        account = replace(idle_account(idle), status=status)
        assert NOON + 6 * DAY < polling.due_at(account, NOON) < NOON + 7 * DAY


@pytest.mark.parametrize(
    ("waited", "expected"), [(29 * DAY, None), (30 * DAY, None), (40 * DAY, "2026-07")]
)
def test_a_sealed_month_is_verified_after_a_month_or_so_the_longest_unseen_first(
    waited: timedelta, expected: str | None
) -> None:
    sealed = {
        "2026-06": SealedMonth(etag="a", checked_at=NOON - waited + HOUR),
        "2026-07": SealedMonth(etag="b", checked_at=NOON - waited),
    }

    assert (
        polling.month_to_verify(replace(idle_account(DAY), sealed_months=sealed), NOON) == expected
    )
    assert polling.month_to_verify(idle_account(DAY), NOON) is None


def test_months_that_were_sealed_together_are_verified_apart() -> None:
    sealed = {"2026-06": SealedMonth(etag="a", checked_at=NOON - 35 * DAY)}
    due = [
        polling.month_to_verify(replace(idle_account(DAY, f"p{n}"), sealed_months=sealed), NOON)
        for n in range(200)
    ]

    assert 70 < due.count("2026-06") < 130


@pytest.mark.parametrize(("first", "last", "idle"), [(4, 4, 3 * DAY), (25, 28, 20 * DAY)])
def test_daily_and_weekly_hold_with_a_run_every_six_hours_though_checks_take_a_while(
    first: int, last: int, idle: timedelta
) -> None:
    checked = NOON + 40 * MINUTE
    for number in range(10):
        account = replace(idle_account(idle, f"p{number}"), active_at=checked - idle)
        due = polling.due_at(account, checked)
        assert NOON + (first - 1) * 6 * HOUR < due <= NOON + last * 6 * HOUR


def has_news_after(
    player: dict[str, Any], settled_ago: timedelta | None = None, cursor_ago: timedelta | None = DAY
) -> bool:
    account = make_account(
        cursor=None if cursor_ago is None else NOON - cursor_ago,
        fingerprint="same",
        fingerprint_at=None if settled_ago is None else NOON - settled_ago,
    )
    fields = {"name": "Ann", "fingerprint": "same", "seen_at": NOON - 30 * DAY}
    return polling.has_news(account, LichessStatus(**{**fields, **player}), NOON)


@pytest.mark.parametrize(
    ("player", "settled_ago", "expected"),
    [
        ({}, HOUR, False),
        ({"fingerprint": "other"}, HOUR, True),
        ({"bot": True}, HOUR, True),
        ({"seen_at": None}, HOUR, True),
        # Seen shortly before or after the export: asked again, but not at once.
        ({"seen_at": NOON - HOUR - 15 * MINUTE}, HOUR, True),
        ({"seen_at": NOON - HOUR - 16 * MINUTE}, HOUR, False),
        ({"seen_at": NOON - HOUR}, HOUR, True),
        ({"seen_at": NOON - 14 * MINUTE}, 14 * MINUTE, False),
        ({"seen_at": NOON - 15 * MINUTE}, 15 * MINUTE, True),
        # Whatever the fingerprint says, once a week.
        ({}, 7 * DAY - MINUTE, False),
        ({}, 7 * DAY, True),
    ],
)
def test_a_settled_account_has_news_when_its_fingerprint_moved_or_may_have_missed_something(
    player: dict[str, Any], settled_ago: timedelta, expected: bool
) -> None:
    assert has_news_after(player, settled_ago) is expected


@pytest.mark.parametrize(
    ("seen_ago", "cursor_ago", "expected"),
    [
        (2 * DAY, DAY, False),
        (DAY + 10 * MINUTE, DAY, True),
        (DAY + 11 * MINUTE, DAY, False),
        (HOUR, DAY, True),
        (30 * DAY, None, True),
    ],
)
def test_a_player_taken_over_who_was_not_seen_since_the_cursor_has_no_news(
    seen_ago: timedelta, cursor_ago: timedelta | None, expected: bool
) -> None:
    player = {"seen_at": NOON - seen_ago, "fingerprint": "other"}
    assert has_news_after(player, None, cursor_ago) is expected


def test_an_account_is_set_aside_while_its_third_failure_keeps_it_from_being_due() -> None:
    later = NOON + DAY

    assert polling.backoff_until(polling.MAX_CONSECUTIVE_FAILURES, later, NOON) == later
    assert polling.backoff_until(polling.MAX_CONSECUTIVE_FAILURES - 1, later, NOON) is None
    assert polling.backoff_until(polling.MAX_CONSECUTIVE_FAILURES, NOON, NOON) is None, (
        "it may be tried again"
    )
