from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chesscoach.models import Account, Player
from chesscoach.rules import cadence
from tests.conftest import NOON

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
def test_the_longer_a_player_is_idle_the_later_he_is_due(idle: timedelta, wait: timedelta) -> None:
    assert cadence.due_at(NOON, NOON - idle) == NOON + wait


@given(st.timedeltas(-DAY, 400 * DAY), st.timedeltas(timedelta(0), 400 * DAY))
def test_no_player_is_due_later_than_one_who_is_idle_for_longer(
    idle: timedelta, more: timedelta
) -> None:
    assert cadence.due_at(NOON, NOON - idle) <= cadence.due_at(NOON, NOON - idle - more)


@pytest.mark.parametrize(("runs", "idle"), [(4, 3 * DAY), (28, 20 * DAY)])
def test_daily_and_weekly_hold_with_a_run_every_six_hours_though_checks_take_a_while(
    runs: int, idle: timedelta
) -> None:
    checked = NOON + 40 * MINUTE
    due = cadence.due_at(checked, checked - idle)
    assert NOON + (runs - 1) * 6 * HOUR < due <= NOON + runs * 6 * HOUR


def news(
    player: dict[str, Any], settled_ago: timedelta | None = None, cursor_ago: timedelta | None = DAY
) -> bool:
    account = Account(
        key="lichess:ann",
        platform="lichess",
        name="ann",
        links=(),
        created_at=NOON,
        cursor=None if cursor_ago is None else NOON - cursor_ago,
        fingerprint="same",
        settled_at=None if settled_ago is None else NOON - settled_ago,
    )
    fields = {"name": "Ann", "fingerprint": "same", "seen_at": NOON - 30 * DAY}
    return cadence.has_news(account, Player(**{**fields, **player}), NOON)


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
    assert news(player, settled_ago) is expected


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
    assert news(player, None, cursor_ago) is expected
