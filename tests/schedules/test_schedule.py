"""Schedules, instants, weeks and shards: how they are checked and written."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
import pytest

from chesscoach.schedules import slots
from chesscoach.schedules.iso_week import Week
from chesscoach.schedules.schedule import Every, Schedule, parse_rfc3339
from chesscoach.worker.shard import ALL_USERS, Shard, shard_hash
from tests.conftest import NOON

HOURLY = {"job": "sync_games", "cron": "0 * * * *"}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"lock": "nightly\n"}, "lock"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "posixrules"}, "timezone"),
        ({"timezone": "right/Europe/Berlin"}, "timezone"),
        ({"timezone": "posix/UTC"}, "timezone"),
        ({"anchor": "1969-12-31T23:59:59Z"}, "anchor"),
        ({"anchor": "0001-01-01T00:00:00+05:00"}, "anchor"),
        ({"cron": None, "at": "2200-01-01T00:00:00Z"}, "at"),
        ({"cron": None, "at": "9999-12-31T23:59:59-05:00"}, "at"),
    ],
)
def test_an_ambiguous_or_impossible_expression_is_refused(fields: dict[str, Any], key: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert({**HOURLY, **fields}, Schedule)


def test_a_period_is_spelled_in_short() -> None:
    assert Every(weeks=1, days=2, hours=3, minutes=4, seconds=5).text == "1w 2d 3h 4m 5s"
    assert Schedule(job="x", every=Every(hours=6)).trigger == "every 6h"


def test_an_instant_is_read_with_its_offset() -> None:
    assert parse_rfc3339("2026-10-21T14:00:00+02:00") == parse_rfc3339("2026-10-21 12:00Z") == NOON
    for text in (
        *("", "now", "2026-10-21", "2026-10-21T12:00:00", "1969-12-31T00:00:00Z"),
        *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+05:00"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
            parse_rfc3339(text)


def test_slots_end_with_the_calendar() -> None:
    decades = Schedule(job="x", every=Every(days=3660))
    late = datetime(9980, 1, 1, tzinfo=UTC)

    assert len(list(islice(slots.slots_after("s", decades, late), 5))) in (1, 2)
    assert list(slots.slots_after("s", Schedule(job="x", cron="0 0 1 1 *"), late)) != []


@pytest.mark.parametrize(
    ("key", "monday"),
    [
        ("2026-W01", "2025-12-29"),
        ("2026-W47", "2026-11-16"),
        ("2026-W53", "2026-12-28"),
        ("2027-W01", "2027-01-04"),
        ("2020-W53", "2020-12-28"),
    ],
)
def test_a_week_is_named_by_its_key_and_knows_its_monday(key: str, monday: str) -> None:
    week = Week.parse(key)
    assert (week.key, week.monday.isoformat()) == (key, monday)
    assert week.after.before == week


def test_a_text_that_is_not_an_iso_week_is_refused() -> None:
    for key in (
        *("2026-W54", "2026-W00", "2025-W53", "0000-W01", "0001-W01", "9999-W52", "2026-47"),
        *("2026-W7", "2026-W047", "2026W47", "26-W47", "2026-w47", "2026-W47\n", " 2026-W47"),
        *("2026-W47-1", "٢٠٢٦-W٤٧", "", "last"),  # noqa: RUF001  # digits, but not ours
    ):
        with pytest.raises(ValueError, match="ISO week"):
            Week.parse(key)


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [("ann", 1_234_263_565), ("", 1_672_528_962), ("\u00e9\ud800", 1_419_386_481)],
)
def test_the_number_of_a_user_never_changes(user_id: str, expected: int) -> None:
    assert shard_hash(user_id) == expected


@pytest.mark.parametrize("of", [1, 4, 7, 40])
def test_every_user_is_in_exactly_one_shard_and_shards_are_alike_in_size(of: int) -> None:
    shards = [Shard(index=index, of=of) for index in range(of)]
    users = [f"user_{number}" for number in range(2000)]

    sizes = [sum(shard.contains(user) for user in users) for shard in shards]

    assert sum(sizes) == len(users)
    if of < 10:
        assert max(sizes) < 1.2 * len(users) / of
    assert ALL_USERS.contains("anybody")


@pytest.mark.parametrize(
    ("text", "index", "shard"),
    [("0/4", None, (0, 4)), ("3/4", "1", (3, 4)), ("4", "2", (2, 4)), ("0/1", None, (0, 1))],
)
def test_a_shard_is_read(text: str, index: str | None, shard: tuple[int, int]) -> None:
    read = Shard.parse(text, index)
    assert (read.index, read.of) == shard


@pytest.mark.parametrize(
    ("text", "index"),
    [
        *(("4", None), ("4", "x"), ("4", "4"), ("4/4", None), ("-1/4", None), ("0/0", None)),
        *(("1/4/2", None), ("", None), ("a/b", None), ("0/1001", None), ("\u0661/4", None)),
        *(("1 / 4", None), ("9999999999/4", None)),
    ],
)
def test_a_text_that_is_not_a_shard_is_refused(text: str, index: str | None) -> None:
    with pytest.raises(ValueError, match=r"is not I/N|there is no shard"):
        Shard.parse(text, index)
