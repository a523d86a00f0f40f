"""Accounts, players, emails and suppressions over the API."""

from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.sync.account import AccountLink
from tests.conftest import NOON
from tests.support.sync.accounts import make_account
from tests.support.web.api_client import ApiClient, quoted

HOSTILE_NAME = "<script>alert(1)</script>\u202e"


async def insert_account(ctx: Context, name: str, *users: str, **fields: Any) -> None:
    links = tuple(AccountLink(user_id=user, name=name) for user in users)
    account = make_account(name, links=links, **fields)
    assert not await ctx.sync.accounts.ensure([account], [], [], NOON)


async def insert_user(ctx: Context, user_id: str, **fields: Any) -> None:
    await ctx.mongo.database["users"].insert_one({"user_id": user_id, **fields})


async def insert_email(ctx: Context, user_id: str, week: str, state: str) -> str:
    key = f"weekly_summary:{user_id}:{week}"
    email = {"kind": "weekly_summary", "user_id": user_id, "week": week, "state": state}
    await ctx.mongo.database["email_outbox"].insert_one({"_id": key, **email})
    return key


async def test_accounts_come_in_pages_by_source_and_status(ctx: Context, api: ApiClient) -> None:
    for number in range(5):
        await insert_account(ctx, f"p{number}", "ann")
    await insert_account(ctx, "bob", platform="chess.com", status="closed")
    await ctx.mongo.database["sync_accounts"].insert_one({"_id": "lichess:o", "links": 5})
    page = (await api("GET", "/accounts?platform=lichess&limit=4")).body
    assert len(page["accounts"]) == 4 - 1, "the unreadable one is left out"
    rest = (await api("GET", f"/accounts?platform=lichess&cursor={page['next']}")).body
    assert rest["next"] is None
    keys = [account["key"] for account in page["accounts"] + rest["accounts"]]
    assert keys == [f"lichess:p{number}" for number in range(5)]
    closed = (await api("GET", "/accounts?status=closed")).body["accounts"]
    assert [account["key"] for account in closed] == ["chess.com:bob"]
    shown = (await api("GET", "/accounts/lichess:p1")).body
    assert (shown["key"], shown["users"][0]["user_id"]) == ("lichess:p1", "ann")
    sources = {s["platform"]: s for s in (await api("GET", "/sources")).body["sources"]}
    assert sources["lichess"]["accounts"] == {"active": 5}
    assert sources["chess.com"]["accounts"] == {"closed": 1}


async def test_a_user_is_linked_and_unlinked(ctx: Context, api: ApiClient) -> None:
    await insert_user(ctx, "ann", name=HOSTILE_NAME)
    body = {"user_id": "ann"}
    assert (await api("PUT", "/accounts/lichess:Ann", json=body)).status == 204
    made = (await api("GET", "/accounts/lichess:ann")).body
    assert ([user["user_id"] for user in made["users"]], made["due"]) == (["ann"], True)
    refused = await api("PUT", "/accounts/lichess:Other", json=body)
    assert (refused.status, "'Ann'" in refused.body["detail"]) == (409, True)
    replaced = await api("PUT", "/accounts/lichess:Other", json={**body, "replace_existing": True})
    assert replaced.status == 204
    shown = (await api("GET", "/players/ann")).body
    assert (shown["names"]["lichess"], shown["name"]) == (["Other"], HOSTILE_NAME)
    assert (await api("DELETE", "/accounts/lichess:Ann?user_id=ann")).status == 404
    assert (await api("DELETE", "/accounts/lichess:OTHER?user_id=ann")).status == 204
    for key in ("lichess:ann", "lichess:other"):
        assert (await api("POST", f"/accounts/{key}/sync")).status == 409, "no user links it"
    for key in ("lichess:x", "lichess:", "frog:ann", "ann", "lichess:a/b"):
        refused = await api("PUT", f"/accounts/{quoted(key)}", json=body)
        assert (refused.status, refused.body["errors"][0]["field"]) == (422, "key")
    unknown_player = await api("PUT", "/accounts/lichess:Ann", json={"user_id": "nobody"})
    assert unknown_player.status == 404
    assert not await ctx.users.exists("nobody"), "a mistyped id makes no user"


async def test_a_sync_of_an_account_names_its_run(ctx: Context, api: ApiClient) -> None:
    await insert_user(ctx, "ann", lichess_username="ann")
    await insert_account(ctx, "ann", "ann")
    await insert_account(ctx, "left")
    started = await api("POST", "/accounts/lichess:ann/sync")
    assert started.body["run_id"].startswith("sync_games:manual:")
    assert (await api("POST", "/accounts/lichess:left/sync")).status == 409
    assert (await api("POST", "/accounts/lichess:none/sync")).status == 404


async def test_players_are_found_by_an_id_or_a_name_at_a_source(
    ctx: Context, api: ApiClient
) -> None:
    for user_id in ("ann", "anna", "a/b", "bob"):
        await insert_user(ctx, user_id)
    await insert_account(ctx, "zed", "bob")

    async def found(text: str) -> list[tuple[str, str | None]]:
        players = (await api("GET", f"/players?q={quoted(text)}")).body["players"]
        return [(player["user_id"], player["account"]) for player in players]

    assert await found("ann") == [("ann", None), ("anna", None)]
    assert await found("ZED") == [("bob", "lichess:zed")]
    assert await found(".*") == []
    assert (await api("GET", f"/players/{quoted('a/b')}")).body["user_id"] == "a/b"
    assert (await api("GET", "/players?q=")).status == 422
    for path in ("", "/email-preview", "/momentum"):
        assert (await api("GET", f"/players/nobody{path}")).status == 404


async def test_an_email_is_previewed_and_a_player_has_momentum(
    ctx: Context, api: ApiClient
) -> None:
    await insert_user(ctx, "ann", name=HOSTILE_NAME, email="ann@example.org")
    preview = (await api("GET", "/players/ann/email-preview?week=2026-W40")).body
    assert preview["week"] == "2026-W40"
    assert "<script>" not in preview["html"]
    assert preview["notes"]
    assert (await api("GET", "/players/ann/email-preview?week=2099-W01")).status == 422
    assert (await api("GET", "/players/ann/momentum")).body["xp"] == 0
    for query in ("", "?period=all", "?period=month&key=2026-10", "?period=week&key=2026-W40"):
        assert (await api("GET", f"/momentum/board{query}")).body["players"] == []
    assert (await api("GET", "/momentum/board?period=month&key=2026-W40")).status == 422


async def test_emails_come_in_pages_and_an_unknown_one_is_resent(
    ctx: Context, api: ApiClient
) -> None:
    ids = [
        await insert_email(ctx, user, week, "unknown" if user == "a" else "sent")
        for week in ("2026-W41", "2026-W40")
        for user in ("a", "b/c", "d")
    ]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api("GET", f"/emails?limit=2{cursor}")).body
        seen += [email["id"] for email in page["emails"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={quoted(page['next'])}"
    assert seen == ids
    assert (page["states"]["unknown"], page["states"]["sent"]) == (2, 4)
    resent = await api("POST", f"/emails/{quoted(ids[0])}/resend")
    assert (resent.status, resent.body["state"]) == (200, "pending")
    again = await api("POST", f"/emails/{quoted(ids[1])}/resend")
    assert (again.status, "is sent" in again.body["detail"]) == (409, True)
    assert (await api("GET", f"/emails/{quoted(ids[1])}")).body["user_id"] == "b/c"
    assert (await api("POST", "/emails/nothing/resend")).status == 404


@pytest.mark.parametrize("address", ["Ann@Example.org", "a+b@x.org"])
async def test_an_address_is_suppressed_and_gets_email_again(api: ApiClient, address: str) -> None:
    path = f"/suppressions/{quoted(address)}"
    assert (await api("GET", path)).status == 404
    made = (await api("PUT", path)).body
    assert (made["address"], made["reason"]) == (address.lower(), "operator")
    assert (await api("PUT", path)).body["at"][:19] == made["at"][:19], "it stays as it is"
    listed = (await api("GET", "/suppressions")).body
    assert [entry["address"] for entry in listed["suppressions"]] == [address.lower()]
    assert (await api("DELETE", path)).status == 204
    assert (await api("DELETE", path)).status == 404
    assert (await api("PUT", "/suppressions/nothing")).status == 422
