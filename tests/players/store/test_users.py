from datetime import UTC, datetime
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.players.store.users import PAGE_SIZE, UserNames
from chesscoach.worker.shard import Shard


async def linked_users(ctx: Context, user_id: str | None = None) -> list[UserNames]:
    return [user async for page in ctx.users.linked_users(user_id) for user in page]


async def test_every_user_with_a_linked_name_is_read_once_page_by_page(
    ctx: Context, db: Any
) -> None:
    count = 2 * PAGE_SIZE + 30
    db.users.insert_many({"user_id": f"u{n:05}", "lichess_username": "x"} for n in range(count))
    db.users.insert_many({"user_id": f"v{n}", "lichess_username": None} for n in range(9))

    users = await linked_users(ctx)

    assert [user.user_id for user in users] == [f"u{n:05}" for n in range(count)]
    assert [user.user_id for user in await linked_users(ctx, "u00007")] == ["u00007"]
    assert await linked_users(ctx, "v1") == []


async def test_names_are_read_from_every_spelling_of_the_field_with_any_value(
    ctx: Context, db: Any
) -> None:
    both = {"chesscom_username": 7, "chess_com_username": "b", "lichess_username": ["x"]}
    db.users.insert_one({"user_id": "a", **both})

    (user,) = await linked_users(ctx)

    assert user.names == {"lichess": (["x"],), "chess.com": ("b", 7)}


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("2026-11-21T06:00:00+00:00", datetime(2026, 11, 21, 6, tzinfo=UTC)),
        (datetime(2026, 11, 21, 6, tzinfo=UTC), datetime(2026, 11, 21, 6, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
        (DatetimeMS(2**55), None),
    ],
)
async def test_the_last_sync_is_read_in_every_form(
    ctx: Context, db: Any, stored: object, read: datetime | None
) -> None:
    db.users.insert_one({"user_id": "a", "lichess_username": "x", "last_game_sync": stored})

    assert (await linked_users(ctx))[0].last_sync == read


async def test_the_last_sync_is_written_as_the_application_writes_it(ctx: Context, db: Any) -> None:
    db.users.insert_one({"user_id": "a", "name": "Ann"})

    await ctx.users.set_last_sync(
        {"a": datetime(2026, 11, 21, 6, tzinfo=UTC), "gone": datetime(2026, 11, 1, tzinfo=UTC)}
    )

    assert db.users.find_one()["last_game_sync"] == "2026-11-21T06:00:00+00:00"
    assert db.users.find_one()["name"] == "Ann"
    assert db.users.count_documents({}) == 1


async def test_linking_reports_an_index_that_needs_more_fields(ctx: Context, db: Any) -> None:
    db.users.create_index("email", unique=True)
    await ctx.users.link("a", {"lichess": "ann"})

    with pytest.raises(ConfigError, match="add the user there"):
        await ctx.users.link("b", {"lichess": "bob"})


async def test_unlinking_removes_both_spellings_and_adds_no_user(ctx: Context, db: Any) -> None:
    db.users.insert_one({"user_id": "a", "chesscom_username": "x", "chess_com_username": "y"})

    await ctx.users.link("a", {"chess.com": None})
    await ctx.users.link("unknown", {"chess.com": None})

    assert await ctx.users.with_accounts({"a", "unknown"}) == set()
    assert db.users.count_documents({}) == 1


async def test_users_are_found_by_id_and_by_linked_name_in_any_case(ctx: Context, db: Any) -> None:
    db.users.insert_many(
        [
            {"user_id": "a", "lichess_username": " Ann.x "},
            {"user_id": "b", "chess_com_username": "ANN.X"},
            {"user_id": "c", "chesscom_username": "annyx"},
            {"user_id": "ann.x", "name": "linked nothing"},
            {"user_id": "d", "lichess_username": 7},
            {"user_id": 8, "lichess_username": "ann.x"},
        ]
    )

    async def find(name: str) -> list[str]:
        return [user.user_id for user in await ctx.users.find_by_name(name)]

    assert await find("ann.X") == ["a", "b"]
    assert await find("d") == ["d"]
    assert await find("ann") == await find(".*") == []


async def test_shards_read_every_user_once_in_pages_of_about_the_usual_size(
    ctx: Context, db: Any
) -> None:
    count = 2 * PAGE_SIZE + 30
    db.users.insert_many({"user_id": f"u{n:05}", "lichess_username": "x"} for n in range(count))

    pages = [
        [page async for page in ctx.users.linked_users(shard=Shard(index=index, of=3))]
        for index in range(3)
    ]

    user_ids = [user.user_id for shard in pages for page in shard for user in page]
    assert sorted(user_ids) == [f"u{n:05}" for n in range(count)]
    assert [len(shard) for shard in pages] == [1, 1, 1]


async def test_users_who_still_have_a_name_are_found_in_any_case(ctx: Context, db: Any) -> None:
    names = ("Ann", " aNN ", "anna", "", None, 7, ["ann"])
    for number, name in enumerate(names):
        db.users.insert_one({"user_id": f"u{number}", "chesscom_username": name})
    db.users.insert_one({"user_id": "newer", "chess_com_username": "ANN"})

    users = [f"u{number}" for number in range(len(names))] + ["newer"]

    with_name = await ctx.users.with_name("chess.com", users, "ann")
    assert with_name & {"u0", "u1", "u2", "u3", "u4", "u5", "newer"} == {"u0", "u1", "newer"}


async def test_linking_a_name_leaves_one_spelling_of_the_field(ctx: Context, db: Any) -> None:
    names = {"chess_com_username": "old", "chesscom_username": "older"}
    db.users.insert_one({"user_id": "ann", "name": "Ann", **names})

    await ctx.users.link("ann", {"chess.com": "new"})

    document = db.users.find_one({"user_id": "ann"}, {"_id": 0})
    assert document == {"user_id": "ann", "name": "Ann", "chesscom_username": "new"}
    (user,) = await linked_users(ctx)
    assert user.names == {"chess.com": ("new",)}
