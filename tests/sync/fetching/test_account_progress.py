from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.game import UnfinishedGame
from chesscoach.sync.account import AccountLink, SealedMonth
from chesscoach.sync.fetching.account_check import AccountCheck
from chesscoach.sync.fetching.account_progress import MIN_NOT_FOUND_CHECKS, apply_fact
from chesscoach.sync.fetching.facts import (
    BackfillDone,
    CheckFinished,
    ClosedFound,
    ExportFetched,
    Fact,
    MonthFetched,
    NotFound,
    UnfinishedChecked,
)
from tests.support.sync.accounts import make_account

NOON = datetime(2024, 8, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = AccountLink(user_id="ann", name="Ann", backfilled=True)
BOB = AccountLink(user_id="bob", name="Bob")
LICHESS = make_account(links=(ANN, BOB), created_at=NOON - timedelta(days=30), cursor=NOON - HOUR)
CHESSCOM = replace(LICHESS, key="chess.com:ann", platform="chess.com", cursor=None)
UNFINISHED = UnfinishedGame(external_id="abcdefgh", started_at=NOON - HOUR)


def month_fetched(month: str, etag: str = "e", **fields: object) -> MonthFetched:
    response = ArchiveMonth(changed=True, etag=etag)
    return replace(MonthFetched(links=(ANN,), month=month, response=response), **fields)


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (None, NOON - HOUR),
        (NOON - 2 * HOUR, NOON - HOUR),
        (NOON - HOUR / 2, NOON - HOUR / 2),
        (NOON + HOUR, NOON),
    ],
)
def test_a_cursor_moves_forward_and_never_beyond_the_beginning_of_the_check(
    cursor: datetime | None, expected: datetime
) -> None:
    fact = ExportFetched(links=(ANN,), cursor=cursor)

    assert apply_fact(LICHESS, fact, NOON).cursor == expected


def test_unfinished_games_are_followed_until_they_are_gone() -> None:
    account = apply_fact(LICHESS, ExportFetched(links=(ANN,), unfinished=(UNFINISHED,)), NOON)
    assert account.unfinished_games == (UNFINISHED,)

    account = apply_fact(account, UnfinishedChecked(links=(ANN,), unfinished=()), NOON)

    assert account.unfinished_games == ()


def test_a_user_is_up_to_date_from_the_end_of_their_backfill() -> None:
    fact = BackfillDone(user_id="bob", oldest_game_at=NOON - HOUR, unfinished=(UNFINISHED,))

    account = apply_fact(LICHESS, fact, NOON)

    assert account.links == (ANN, replace(BOB, backfilled=True, oldest_game_at=NOON - HOUR))
    assert (account.cursor, account.unfinished_games) == (LICHESS.cursor, (UNFINISHED,))
    assert apply_fact(CHESSCOM, fact, NOON).first_month == "2024-08"


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (month_fetched("2024-08"), {"2024-08": "e"}),
        (month_fetched("2024-08", complete=False), {}),
        (month_fetched("2024-08", response=ArchiveMonth(changed=True, gone=True)), {}),
        (
            month_fetched(
                "2024-08", response=ArchiveMonth(changed=True, etag="e", unreadable=("1",))
            ),
            {"2024-08": ""},
        ),
    ],
)
def test_an_etag_is_kept_if_it_stands_for_every_game(
    fact: MonthFetched, expected: dict[str, str]
) -> None:
    assert apply_fact(CHESSCOM, fact, NOON).etags == expected


def test_a_finished_check_seals_the_months_that_change_no_more() -> None:
    account = apply_fact(CHESSCOM, month_fetched("2024-07"), NOON)
    account = apply_fact(account, month_fetched("2024-08"), NOON)

    account = apply_fact(account, CheckFinished(), NOON)

    assert (account.first_month, account.etags) == ("2024-08", {"2024-08": "e"})
    assert account.sealed_months == {"2024-07": SealedMonth(etag="e", checked_at=NOON)}


@pytest.mark.parametrize(
    ("fact", "due"),
    [
        (ExportFetched(links=()), False),
        (BackfillDone(user_id="bob", oldest_game_at=None), False),
        (NotFound(), False),
        (ClosedFound(), True),
        (CheckFinished(), True),
    ],
)
def test_an_account_is_due_again_after_the_fact_that_completes_its_check(
    fact: Fact, due: bool
) -> None:
    check = AccountCheck(LICHESS, NOON)

    step = check.record(fact)

    assert (step.due_at is not None) == due == (check.account.checked_at == NOON)


def test_an_account_is_missing_after_some_checks_and_active_once_it_is_found() -> None:
    account = LICHESS
    for _ in range(MIN_NOT_FOUND_CHECKS):
        assert (account.status, account.checked_at) == ("active", None)
        account = apply_fact(account, NotFound(), NOON)
    assert (account.status, account.checked_at) == ("missing", NOON)

    account = apply_fact(account, CheckFinished(), NOON + HOUR)

    assert (account.status, account.not_found_checks, account.lapse_count) == ("active", 0, 1)


def test_unfinished_games_that_end_do_not_reopen_a_closed_account() -> None:
    account = apply_fact(LICHESS, ClosedFound(), NOON)

    account = apply_fact(account, UnfinishedChecked(links=(ANN,), unfinished=()), NOON)

    assert account.status == "closed"
