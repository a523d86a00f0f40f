"""The login page: sessions, where it leads, and the limit on wrong tokens."""

import pytest
from itsdangerous import TimestampSigner
from msgspec.structs import replace

from chesscoach.config import WebSettings
from chesscoach.context import Context
from chesscoach.web.admin_middleware import safe_target
from chesscoach.web.auth import COOKIE, SESSION_S, Access, LoginLimiter
from tests.support.web.admin_client import ADMIN_TOKEN, API, GUARDED, READ_TOKEN, AdminClient
from tests.web.conftest import ManualClock, OpenAdmin


async def log_in(ask: AdminClient, token: str, **fields: str) -> dict[str, str]:
    """Headers of a session."""
    reply = await ask("POST", "/login", data={"token": token, **fields})
    assert reply.status == 303, reply.text
    return {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}


async def test_a_token_becomes_a_strict_cookie_with_its_role(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    ask = await open_admin(ctx, GUARDED)
    reply = await ask("POST", "/login", data={"token": f" {ADMIN_TOKEN}\n"})
    assert (reply.status, reply.headers["Location"]) == (303, "/")
    cookie = reply.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert ADMIN_TOKEN not in cookie

    admin, reader = await log_in(ask, ADMIN_TOKEN), await log_in(ask, READ_TOKEN)
    path = f"{API}/schedules/nothing/resume"
    assert (await ask("POST", path, headers=admin)).status == 404
    assert (await ask("POST", path, headers=reader)).status == 403
    assert (await ask("GET", f"{API}/jobs", headers=reader)).status == 200
    foreign = {**admin, "Origin": "https://evil.example"}
    assert (await ask("POST", path, headers=foreign)).status == 403
    wrong = {**admin, "Authorization": "Bearer wrong"}
    assert (await ask("GET", f"{API}/jobs", headers=wrong)).status == 401, "the token decides"


async def test_behind_https_the_cookie_is_secure(ctx: Context, open_admin: OpenAdmin) -> None:
    ask = await open_admin(ctx, GUARDED)
    proxied = {"X-Forwarded-Proto": "https"}
    reply = await ask("POST", "/login", data={"token": ADMIN_TOKEN}, headers=proxied)
    assert "Secure" in reply.headers["Set-Cookie"].split("; ")


async def test_the_login_redirects_to_no_other_site() -> None:
    for target in (
        *("//evil.example", "////evil.example", "https://evil.example", "/\\evil.example"),
        *("/\t/evil.example", "/\n/evil.example", "javascript:alert(1)", "evil", ""),
        *("/ /evil.example", "/%0d%0aX: y\r\n", "\\\\evil"),
    ):
        assert safe_target(target) == "/", target


async def test_a_target_may_have_the_base_path_already(ctx: Context, open_admin: OpenAdmin) -> None:
    ask = await open_admin(ctx, replace(GUARDED, base_path="/coach"))
    for target, place in (
        ("/coach/runs", "/coach/runs"),
        ("/coach//evil.example", "/coach/"),
    ):
        reply = await ask("POST", "/login", data={"token": ADMIN_TOKEN, "next": target})
        assert reply.headers["Location"] == place


def test_the_login_redirects_back_to_the_page() -> None:
    for target in ("/", "/runs?outcome=failed&job=sync_games", "/players/a%2Fb"):
        assert safe_target(target) == target


async def test_the_name_given_at_the_login_is_in_the_log_of_actions(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    ask = await open_admin(ctx, GUARDED)
    session = await log_in(ask, ADMIN_TOKEN, name="Ann <b>\x00B" + "x" * 200)
    fields = {"id": "mine", "job": "cleanup", "cron": "0 5 * * *"}
    assert (await ask("POST", f"{API}/schedules", json=fields, headers=session)).status == 201
    (entry,) = await ctx.mongo.database["admin_log"].find().to_list(None)
    assert entry["actor"]["name"].startswith("Ann <b>B")
    assert len(entry["actor"]["name"]) == 60
    assert (entry["command"], entry["outcome"]) == ("schedules add", "succeeded")
    shown = await ask("GET", f"{API}/schedules/mine", headers=session)
    assert shown.body["history"][-1]["by"] == entry["actor"]["name"]


async def test_logging_out_deletes_the_cookie(ctx: Context, open_admin: OpenAdmin) -> None:
    ask = await open_admin(ctx, GUARDED)
    reply = await ask("POST", "/logout")
    assert (reply.status, reply.headers["Location"]) == (303, "/login")
    assert f'{COOKIE}="";' in reply.headers["Set-Cookie"]
    assert "Max-Age=0" in reply.headers["Set-Cookie"]


async def test_wrong_tokens_are_limited_and_a_right_one_is_then_refused_too(
    ctx: Context, open_admin: OpenAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = await open_admin(ctx, GUARDED)
    tried = [(await ask("POST", "/login", data={"token": f"guess{n}"})).status for n in range(7)]
    assert tried == [403, 403, 403, 403, 403, 429, 429]
    reply = await ask("POST", "/login", data={"token": ADMIN_TOKEN})
    assert (reply.status, 0 < int(reply.headers["Retry-After"]) <= 61) == (429, True)
    assert (await ask("GET", f"{API}/jobs", token=ADMIN_TOKEN)).status == 200
    assert "guess" not in capsys.readouterr().out


def test_the_limit_is_by_address_and_ends_after_a_minute() -> None:
    clock = ManualClock()
    limiter = LoginLimiter(clock)
    for _ in range(5):
        limiter.add_failure("one")
    assert (limiter.wait_s("one"), limiter.wait_s("two")) == (60.0, 0.0)
    clock.now += 59
    assert limiter.wait_s("one") == 1.0
    clock.now += 1
    assert limiter.wait_s("one") == 0.0
    for number in range(1500):
        limiter.add_failure(str(number))
    assert len(limiter._failures) == 1000


def test_a_session_ends_with_its_token_its_time_or_a_change_of_it() -> None:
    access = Access(GUARDED)
    cookie = access.open_session("read", "Ann")
    assert access.read_session(cookie) == ("read", "Ann")
    renewed = Access(replace(GUARDED, read_token="n" * 32))
    assert renewed.read_session(cookie) is None
    payload, _, signed = cookie.partition(".")
    forged = b"admin:Ann".hex()
    for bad in (f"{forged}.{signed}", f"{payload}.x", cookie[:-2], "", "é", "a" * 5000):
        assert access.read_session(bad) is None
    assert Access(WebSettings()).read_session(cookie) is None

    class OldSigner(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - SESSION_S - 5

    old = OldSigner(READ_TOKEN, salt="chesscoach.session").sign(bytes.fromhex(payload).hex())
    assert access.read_session(old.decode()) is None


async def test_without_a_token_there_is_no_login(ctx: Context, open_admin: OpenAdmin) -> None:
    ask = await open_admin(ctx)
    assert (await ask("GET", "/login?next=/runs")).headers["Location"] == "/runs"
    assert (await ask("GET", f"{API}/jobs")).status == 200
    assert (await ask("POST", "/login", json={})).status == 415
