"""Texts that are not UTF-8, as another driver may have written them."""

from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from chesscoach.context import Context
from tests.conftest import FakeSites
from tests.support.sync.sync_members import add_member, run_sync


async def test_a_user_id_that_is_not_utf_8_does_not_end_a_sync(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    user = bson.encode({"user_id": "ab", "email": "b", "lichess_username": "Bob"})
    db.users.insert_one(RawBSONDocument(user.replace(b"ab\x00", b"\xff\xfe\x00")))
    sites.world.add_player("lichess", "Bob", ctx.now())

    record = await run_sync(ctx)

    assert record["done"] >= 1
    assert db.sync_accounts.find_one({"_id": "lichess:ann"})["checked_at"] is not None
