"""Who reaches what on the admin listener: the table is walked on a running server."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from chesscoach.config import WebSettings
from chesscoach.context import Context
from chesscoach.web.admin_routes import admin_routes
from chesscoach.web.auth import Access
from chesscoach.web.operations.admin import Admin
from chesscoach.web.routes import SAFE_METHODS, Route
from chesscoach.worker.runner.manual_runs import ManualRuns
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.web.admin_client import ADMIN_TOKEN, API, GUARDED, OPEN, READ_TOKEN, AdminClient
from tests.web.conftest import OpenAdmin

WRONG = "w" * 32
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "evil127.0.0.1:{port}",
    "localhost.evil.example",
    "127.0.0.1:1",
    "127.0.0.1",
    "",
)


def table(ctx: Context) -> Iterator[tuple[Route, str]]:
    """The rows of the table, each with a path that it matches."""
    admin = Admin(ctx=ctx, manual_runs=ManualRuns(ctx.worker, ShutdownRequest()))
    for route in admin_routes(admin, Access(GUARDED)):
        yield route, re.sub(r"\{[^}]*\}", "nothing", route.path)


def refusal(route: Route, reply_status: int) -> bool:
    """Whether a request without a role was refused as the kind of route does it."""
    to_login = route.kind == "page" and route.method == "GET"
    return reply_status == (303 if to_login else 401)


async def test_no_route_but_probes_and_the_login_is_open(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    ask = await open_admin(ctx, GUARDED)
    walked = 0
    for route, path in table(ctx):
        for token in (None, WRONG):
            reply = await ask(route.method, path, token=token)
            if route.scope == "public":
                assert reply.status < 500, (route, reply)
            else:
                assert refusal(route, reply.status), (route.method, path, token, reply.status)
                walked += 1
    assert walked > 20
    assert {(r.method, r.path) for r, _ in table(ctx) if r.scope in ("public", "probe")} >= {
        ("GET", "/login"),
        ("POST", "/login"),
    }


async def test_the_read_only_token_sees_all_and_changes_nothing(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    ask = await open_admin(ctx, GUARDED)
    for route, path in table(ctx):
        if route.streams or route.scope == "public":
            continue
        reply = await ask(route.method, path, token=READ_TOKEN)
        if route.scope == "admin":
            assert reply.status == 403, (route.method, path, reply.status)
        else:
            assert reply.status in (200, 303, 404, 422), (route.method, path, reply.status)


async def test_foreign_hosts_and_origins_are_refused_on_every_route(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    """Also with the admin's token: a browser of an operator may be made to send one."""
    ask = await open_admin(ctx, GUARDED, token=ADMIN_TOKEN)
    for route, path in table(ctx):
        reply = await ask(route.method, path, headers={"Host": "evil.example"})
        assert reply.status == 403, (route.method, path, reply.status)
        if route.method in SAFE_METHODS:
            continue
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            reply = await ask(route.method, path, headers=headers)
            assert reply.status == 403, (route.method, path, headers, reply.status)


@pytest.mark.parametrize("web", [OPEN, GUARDED], ids=["open", "guarded"])
async def test_a_host_is_ours_only_as_a_whole(
    ctx: Context, open_admin: OpenAdmin, web: WebSettings
) -> None:
    ask = await open_admin(ctx, web, token=ADMIN_TOKEN)
    port = ask.url.rpartition(":")[2]
    for host in FOREIGN_HOSTS:
        reply = await ask("GET", f"{API}/jobs", headers={"Host": host.format(port=port)})
        assert reply.status in (400, 403), host
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        own = {"Host": f"{host}:{port}", "Origin": f"http://{host}:{port}".lower()}
        assert (await ask("GET", f"{API}/jobs", headers=own)).status == 200, host
    for probe in ("/healthz", "/readyz", "/metrics"):
        assert (await ask("GET", probe, headers={"Host": "10.0.0.7"})).status in (200, 503)


async def test_configured_hosts_and_their_pages_are_ours(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    web = replace(OPEN, hosts=("coach.example.org", "other.example:8443"))
    ask = await open_admin(ctx, web)
    path = f"{API}/schedules/nothing/resume"
    for host, origin in (
        ("coach.example.org", "https://coach.example.org"),
        ("other.example:8443", "https://other.example:8443"),
    ):
        reply = await ask("POST", path, headers={"Host": host, "Origin": origin})
        assert reply.status == 404, reply
    for host in ("coach.example.org.evil.example", "a.coach.example.org", "other.example"):
        reply = await ask("GET", f"{API}/jobs", headers={"Host": host})
        assert reply.status == 403
        assert "[web] hosts" in reply.body["detail"], "it says how to open it"


async def test_a_path_that_is_not_in_the_table_is_refused(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    ask = await open_admin(ctx, GUARDED)
    for path in ("/api/v1/nothing", "/api/v2/schedules", "/api/v1/schedules/", "/healthz/../x"):
        assert (await ask("GET", path)).status == 401, path
        assert (await ask("GET", path, token=ADMIN_TOKEN)).status == 404, path
    for path in ("/nothing", "/static/../auth.py", "/static/%2e%2e/auth.py"):
        assert (await ask("GET", path, headers={"Accept": "text/html"})).status == 303, path
    assert (await ask("TRACE", f"{API}/jobs", token=ADMIN_TOKEN)).status == 405


async def test_a_page_has_headers_that_let_it_post_its_own_forms(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    """With `no-referrer` a browser sends `Origin: null` with a form of ours."""
    ask = await open_admin(ctx, GUARDED)
    page = await ask("GET", "/login")
    assert page.headers["Referrer-Policy"] == "same-origin"
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in page.headers if name.lower().startswith("access-control")]
    assert "<script" not in page.text


async def test_a_problem_has_an_id_that_the_log_has(
    ctx: Context, open_admin: OpenAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = await open_admin(ctx, token="unused")
    reply = await ask("GET", f"{API}/schedules/nothing")
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply.body["status"] == reply.status == 404
    assert reply.body["title"] == "Not Found"
    lines = [line for line in capsys.readouterr().out.splitlines() if "request_refused" in line]
    assert reply.body["id"] in lines[-1]
    assert '"route": "/api/v1/schedules/{id}"' in lines[-1]


async def test_strangers_cannot_fill_the_log(
    ctx: Context, open_admin: OpenAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = await open_admin(ctx, GUARDED)
    await asyncio.gather(*(ask("GET", f"{API}/jobs") for _ in range(150)))
    lines = capsys.readouterr().out.splitlines()
    assert 0 < sum("request_refused" in line for line in lines) <= 120


async def test_another_bind_than_loopback_has_pages_only_with_a_token(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    bare = WebSettings(admin="0.0.0.0:0", allow_remote_admin=True)
    ask = await open_admin(ctx, bare)
    local = AdminClient(ask._session, ask.url.replace("0.0.0.0", "127.0.0.1"), None)  # noqa: S104
    assert (await local("GET", "/metrics")).status == 200
    assert (await local("GET", f"{API}/jobs")).status == 404
    assert (await local("GET", "/login")).status == 404


async def test_under_a_base_path_links_and_cookies_stay_below_it(
    ctx: Context, open_admin: OpenAdmin
) -> None:
    """A proxy may pass the path on, or cut it."""
    ask = await open_admin(ctx, replace(GUARDED, base_path="/coach"))
    for prefix in ("", "/coach"):
        html = {"Accept": "text/html"}
        reply = await ask("GET", f"{prefix}/runs?outcome=failed", headers=html)
        assert reply.headers["Location"] == "/coach/login?next=%2Fruns%3Foutcome%3Dfailed"
        form = {"token": ADMIN_TOKEN, "next": "/runs?outcome=failed"}
        reply = await ask("POST", f"{prefix}/login", data=form)
        assert reply.headers["Location"] == "/coach/runs?outcome=failed"
        assert "Path=/coach" in reply.headers["Set-Cookie"]
        assert (await ask("GET", f"{prefix}{API}/jobs", token=READ_TOKEN)).status == 200
    assert (await ask("GET", "/healthz")).status == 200
