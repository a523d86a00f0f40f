from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.errors import LeaseLost
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.store.account_documents import AccountQuery, AccountState
from chesscoach.sync.store.accounts import PAGE_SIZE
from chesscoach.worker.shard import Shard
from tests.conftest import NOON
from tests.support.sync import accounts


def make_account(name: str, *users: str, **fields: Any) -> Account:
    links = [AccountLink(user_id=user, name=name, backfilled=True) for user in users or (name,)]
    return accounts.make_account(name, **{"links": tuple(links), **fields})


def make_query(**fields: Any) -> AccountQuery:
    return AccountQuery(
        **{"platform": "lichess", "run_started_at": NOON, "due_only": True, **fields}
    )


async def due_names(ctx: Context, **fields: Any) -> list[str]:
    stored = ctx.sync.accounts.due_accounts(make_query(**fields))
    return [account.name async for page in stored for account in page.accounts]


async def test_an_account_comes_back_as_it_was_saved(ctx: Context) -> None:
    full = make_account(
        "ann",
        cursor=NOON,
        fingerprint="1:2:3",
        fingerprint_at=NOON,
        first_month="2026-10",
        etags={"2026-10": 'W/"x"'},
        player_key="uuid",
        active_at=NOON,
        checked_at=NOON - timedelta(days=1),
    )
    await ctx.sync.accounts.ensure([full], [], [], NOON)
    await ctx.sync.accounts.save([AccountState(account=full, due_at=NOON)], fence=1)

    (page,) = [page.accounts async for page in ctx.sync.accounts.due_accounts(make_query())]

    assert page == [full]


async def test_the_stalest_come_first_and_newcomers_delay_no_other(ctx: Context) -> None:
    made = [make_account(f"a{n}") for n in range(PAGE_SIZE + 5)]
    await ctx.sync.accounts.ensure(made, [], [], NOON)
    late = AccountState(account=made[PAGE_SIZE + 4], due_at=NOON - timedelta(hours=1))
    later = AccountState(account=made[1], due_at=NOON + timedelta(hours=1))
    await ctx.sync.accounts.save([late, later], fence=1)

    due = await due_names(ctx)

    assert due[0] == f"a{PAGE_SIZE + 4}"
    assert len(due) == PAGE_SIZE + 4
    assert await ctx.sync.accounts.count(make_query()) == PAGE_SIZE + 4
    assert (await due_names(ctx, due_only=False))[-1] == "a1"
    assert await due_names(ctx, due_only=False, user_id="a1") == ["a1"]


async def test_a_walk_over_all_accounts_meets_each_once(ctx: Context) -> None:
    """Being checked moves an account's due time, and so its place in the walk."""
    await ctx.sync.accounts.ensure(
        [make_account(f"a{n}") for n in range(PAGE_SIZE + 50)], [], [], NOON
    )
    met = []
    async for page in ctx.sync.accounts.due_accounts(make_query(due_only=False)):
        met += [account.name for account in page.accounts]
        done = [make_account(account.name, checked_at=NOON) for account in page.accounts]
        due = NOON + timedelta(minutes=1)
        await ctx.sync.accounts.save([AccountState(account=a, due_at=due) for a in done], fence=1)

    assert len(met) == len(set(met)) == PAGE_SIZE + 50


async def test_a_former_holder_of_the_lane_moves_no_cursor(ctx: Context, db: Any) -> None:
    await ctx.sync.accounts.ensure([make_account("ann")], [], [], NOON)
    moved = make_account("ann", cursor=NOON)
    await ctx.sync.accounts.save([AccountState(account=moved, due_at=NOON)], fence=7)
    before = db.sync_accounts.find_one()

    with pytest.raises(LeaseLost):
        stale = make_account("ann", cursor=NOON - timedelta(days=9))
        await ctx.sync.accounts.save([AccountState(account=stale, due_at=NOON)], fence=6)

    assert db.sync_accounts.find_one() == before


async def test_a_step_on_the_way_leaves_the_account_as_due_as_it_was(ctx: Context, db: Any) -> None:
    await ctx.sync.accounts.ensure([make_account("ann")], [], [], NOON)
    await record_failure(ctx)

    await ctx.sync.accounts.save([AccountState(account=make_account("ann", cursor=NOON))], fence=1)
    document = db.sync_accounts.find_one()
    assert (document["due_at"], document["failures"], document["cursor"]) == (NOON, 1, NOON)
    assert document["errors"] == [{"error": "a fault", "at": NOON}]

    await ctx.sync.accounts.save([AccountState(account=make_account("ann"), due_at=NOON)], fence=1)
    document = db.sync_accounts.find_one()
    assert (document["due_at"], document["failures"]) == (NOON, 0)
    assert document["errors"] == [{"error": "a fault", "at": NOON}], "kept to be looked at"


async def record_failure(ctx: Context) -> None:
    later = NOON + timedelta(days=1)
    await ctx.sync.accounts.record_failure(
        "lichess:ann", "a fault", NOON, patience=3, aside_until=later
    )


async def test_an_account_is_set_aside_after_three_failures_in_a_row_alone(
    ctx: Context, db: Any
) -> None:
    await ctx.sync.accounts.ensure([make_account("ann")], [], [], NOON)
    for _ in range(2):
        await record_failure(ctx)
    await ctx.sync.accounts.save([AccountState(account=make_account("ann"), due_at=NOON)], fence=1)
    for _ in range(2):
        await record_failure(ctx)
    assert db.sync_accounts.find_one()["due_at"] == NOON

    await record_failure(ctx)

    assert db.sync_accounts.find_one()["due_at"] == NOON + timedelta(days=1)


async def test_joining_makes_an_account_due_and_happens_once(ctx: Context, db: Any) -> None:
    await ctx.sync.accounts.ensure([make_account("ann")], [], [], NOON)
    late = AccountState(account=make_account("ann"), due_at=NOON + timedelta(days=3))
    await ctx.sync.accounts.save([late], fence=1)
    link = AccountLink(user_id="bob", name="Ann")

    for _ in range(2):
        await ctx.sync.accounts.ensure([make_account("ann")], [("lichess:ann", link)], [], NOON)

    document = db.sync_accounts.find_one()
    assert [link["user_id"] for link in document["links"]] == ["ann", "bob"]
    assert document["due_at"] == NOON
    await ctx.sync.accounts.ensure([], [], [("lichess:ann", "ann")], NOON)
    links = [page async for page in ctx.sync.accounts.links()]
    assert links == [[("lichess:ann", "bob")]]
    assert [page async for page in ctx.sync.accounts.links("ann")] == []


async def test_a_link_whose_user_is_not_a_text_is_left_out(ctx: Context, db: Any) -> None:
    links = [{"user_id": {"of": "ann"}}, {}, {"user_id": "bob"}]
    db.sync_accounts.insert_one({"_id": "lichess:ann", "platform": "lichess", "links": links})

    assert [page async for page in ctx.sync.accounts.links()] == [[("lichess:ann", "bob")]]


async def test_an_account_that_no_user_links_is_asked_about_no_more(ctx: Context) -> None:
    await ctx.sync.accounts.ensure([make_account("ann")], [], [], NOON)
    await ctx.sync.accounts.ensure([], [], [("lichess:ann", "ann")], NOON)

    assert await due_names(ctx, due_only=False) == []


async def test_a_user_was_synced_when_the_last_of_their_accounts_was(ctx: Context) -> None:
    old = datetime(2026, 1, 1, tzinfo=UTC)
    ann = (make_account("ann", checked_at=NOON), make_account("ann2", "ann", "bob", checked_at=old))
    bob = make_account("bob2", "bob")  # never checked
    cid = AccountLink(user_id="cid", name="x")  # still waits for his back-fill
    await ctx.sync.accounts.ensure([*ann, bob, make_account("cid", links=(cid,))], [], [], NOON)

    assert await ctx.sync.accounts.oldest_success(["ann", "bob", "cid", "unknown"]) == {"ann": old}


async def test_accounts_are_found_by_name_and_key_in_any_case_and_by_user(ctx: Context) -> None:
    elsewhere = make_account("ann", "Bob", key="chess.com:ann", platform="chess.com")
    await ctx.sync.accounts.ensure(
        [make_account("ann"), make_account("cid"), elsewhere], [], [], NOON
    )
    await record_failure(ctx)

    async def stored(name: str) -> list[str]:
        return [document.account.key for document in await ctx.sync.accounts.find_by_name(name)]

    assert await stored("Ann") == await stored("ANN") == ["chess.com:ann", "lichess:ann"]
    assert await stored("Lichess:ANN") == ["lichess:ann"]
    assert await stored("Bob") == ["chess.com:ann"]
    assert await stored("bob") == [], "the application's ids have case"
    (stored_account,) = await ctx.sync.accounts.find_by_name("lichess:ann")
    error = stored_account.errors[0]
    assert (stored_account.failures, error.error, error.at) == (1, "a fault", NOON)


async def test_a_sample_is_linked_active_and_without_failures(ctx: Context) -> None:
    assert await ctx.sync.accounts.any_healthy("lichess") is None
    made = [
        make_account("ann"),
        make_account("bob"),
        make_account("cid", status="closed"),
        make_account("dan", links=()),
        make_account("eve", key="chess.com:eve", platform="chess.com"),
    ]
    await ctx.sync.accounts.ensure(made, [], [], NOON)
    await record_failure(ctx)

    sample = await ctx.sync.accounts.any_healthy("lichess")

    assert sample is not None
    assert sample.name == "bob"


async def test_each_account_is_in_one_shard_with_the_user_who_linked_it_first(
    ctx: Context, db: Any
) -> None:
    made = [make_account(f"a{n}", f"u{n}", "all") for n in range(60)]
    await ctx.sync.accounts.ensure(made, [], [], NOON)
    db.sync_accounts.update_one({"_id": "lichess:a0"}, {"$unset": {"number": 1}})
    parts = [Shard(index=index, of=3) for index in range(3)]

    of_parts = [await due_names(ctx, shard=part) for part in parts]
    linked = [
        {key for page in [p async for p in ctx.sync.accounts.links(shard=part)] for key, _ in page}
        for part in parts
    ]

    assert sorted(name for part in of_parts for name in part) == sorted(a.name for a in made)
    for part, stored, keys in zip(parts, of_parts, linked, strict=True):
        assert {name for name in stored if name != "a0"} == {
            f"a{n}" for n in range(1, 60) if part.contains(f"u{n}")
        }
        assert keys == {f"lichess:{name}" for name in stored}
        assert await ctx.sync.accounts.count(make_query(shard=part)) == len(stored)
    assert "a0" in of_parts[0], "made by a version that knew no parts"


async def test_an_account_that_two_make_at_once_has_the_users_of_both(
    ctx: Context, db: Any
) -> None:
    for user in ("ann", "twin"):
        link = AccountLink(user_id=user, name="Ann", backfilled=True, first_sync_from=NOON)
        await ctx.sync.accounts.ensure([make_account("ann", links=(link,))], [], [], NOON)

    (document,) = db.sync_accounts.find()
    assert [(link["user_id"], link["joined"]) for link in document["links"]] == [
        ("ann", True),
        ("twin", False),
    ]


async def test_users_who_join_or_leave_an_account_while_another_shard_checks_it_have_done_so(
    ctx: Context, db: Any
) -> None:
    read = make_account("shared", "u0", "u1", etags={"2026.10": "$x"})
    await ctx.sync.accounts.ensure([read], [], [], NOON)
    new = AccountLink(user_id="u2", name="shared")
    await ctx.sync.accounts.ensure([], [(read.key, new)], [(read.key, "u1")], NOON)

    later = NOON + timedelta(days=7)
    await ctx.sync.accounts.save([AccountState(account=read, due_at=later)], fence=1)

    (page,) = [page.accounts async for page in ctx.sync.accounts.due_accounts(make_query())]
    assert [(link.user_id, link.backfilled) for link in page[0].links] == [
        ("u0", True),
        ("u2", False),
    ]
    assert page[0].etags == read.etags
    await ctx.sync.accounts.save([AccountState(account=page[0], due_at=later)], fence=2)
    assert db.sync_accounts.find_one()["due_at"] == later


async def test_fields_that_an_account_no_longer_has_are_removed(ctx: Context) -> None:
    await ctx.sync.accounts.ensure([make_account("ann")], [], [], NOON)
    for etags in ({"2026-09": "a", "2026-10": "b"}, {"2026-10": "$c"}):
        saved = make_account("ann", etags=etags)
        await ctx.sync.accounts.save([AccountState(account=saved, due_at=NOON)], fence=1)

    (document,) = (await ctx.sync.accounts.find_for_users(["lichess:ann"], [])).accounts
    assert document.etags == {"2026-10": "$c"}
