from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from msgspec.structs import replace

from chesscoach.config import EmailSettings
from chesscoach.context import Context
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from tests.conftest import NOON, Clock
from tests.web.conftest import HttpClient, OpenWeb

EMAILS = EmailSettings(public_url="https://mail.example.org", signing_key="newest,older")
SUBSCRIBED = {"game_analyzed": True, "weekly_summary": True, "weakness_alert": False}
UNSUBSCRIBED = SUBSCRIBED | {"weekly_summary": False}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def link_path(user_id: str = "ann", *, key: str = "newest", days_ago: int = 0) -> str:
    """The request of a link that is this many days old."""
    clock = Clock(NOON)
    clock.move(days=-days_ago)
    made = UnsubscribeLinks(EMAILS.public_url, [key], EMAILS.link_valid_days, clock)
    return urlsplit(made.url(user_id, "weekly_summary")).path


@pytest.fixture
async def http_client(ctx: Context, db: Any, open_web_server: OpenWeb) -> HttpClient:
    """The listeners, with a signing key, and one user."""
    db.users.insert_one({"user_id": "ann", "email_notifications": SUBSCRIBED})
    config = replace(ctx.config, emails=EMAILS)
    asker: HttpClient = await open_web_server(replace(ctx, config=config, now=Clock(NOON)))
    return asker


def stored_setting(db: Any, user_id: str = "ann") -> object:
    return db.users.find_one({"user_id": user_id}).get("email_notifications")


async def test_gets_change_nothing_and_one_post_does(http_client: HttpClient, db: Any) -> None:
    for n in range(8):
        answer = await http_client(link_path(), "public", method="HEAD" if n % 4 == 0 else "GET")
        assert answer.status == 200
        assert (n % 4 == 0) == (answer.text == "")
    assert stored_setting(db) == SUBSCRIBED

    assert (await http_client(link_path(), "public", method="POST")).status == 200
    assert stored_setting(db) == UNSUBSCRIBED
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await http_client(link_path(), "public", method)).status == 405


def _multipart() -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("List-Unsubscribe", "One-Click")
    return form


@pytest.mark.parametrize(
    "given",
    [
        {"data": ONE_CLICK},
        {"data": _multipart},
        {},
        {"data": b"\xff\x00 anything"},
        {"json": {"List-Unsubscribe": "One-Click"}},
        {"data": b"x" * 200_000},
        {"data": ONE_CLICK, "headers": {"Cookie": "session=1", "Origin": "null"}},
    ],
    ids=["form", "multipart", "empty", "bytes", "json", "large", "browser"],
)
async def test_one_post_of_whatever_body_unsubscribes_and_may_be_repeated(
    http_client: HttpClient, db: Any, given: dict[str, Any]
) -> None:
    for _ in range(2):
        fresh = {key: value() if callable(value) else value for key, value in given.items()}
        answer = await http_client(link_path(), "public", "POST", allow_redirects=False, **fresh)

        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "Unsubscribed" in answer.text
        assert stored_setting(db) == UNSUBSCRIBED


@pytest.mark.parametrize("before", [SUBSCRIBED, True, False, None])
async def test_it_works_on_every_form_of_the_setting_and_on_no_player_else(
    http_client: HttpClient, ctx: Context, db: Any, before: object
) -> None:
    rest: dict[str, object] = {} if before is None else {"email_notifications": before}
    db.users.insert_many([{"user_id": "bob", **rest}, {"user_id": "cem", **rest}])

    assert (await http_client(link_path("bob"), "public", method="POST")).status == 200

    assert await ctx.emails.subscriptions.subscribed(["bob"], "weekly_summary") == set()
    assert (stored_setting(db, "cem"), stored_setting(db)) == (before, SUBSCRIBED)
    if before is not False:
        others = (
            SUBSCRIBED if before == SUBSCRIBED else {"game_analyzed": True, "weakness_alert": True}
        )
        assert stored_setting(db, "bob") == others | {"weekly_summary": False}


async def test_a_link_that_an_older_key_signed_counts_and_one_of_another_key_does_not(
    http_client: HttpClient, db: Any
) -> None:
    assert (await http_client(link_path(key="forged"), "public", method="POST")).status == 403
    assert stored_setting(db) == SUBSCRIBED
    assert (await http_client(link_path(key="older"), "public", method="POST")).status == 200
    assert stored_setting(db) == UNSUBSCRIBED


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_cannot_be_acted_on_gets_a_clear_page_and_changes_nothing(
    http_client: HttpClient, db: Any, method: str
) -> None:
    token = link_path()
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    cases = {
        swapped: (403, "changed on its way"),
        token.replace("/unsubscribe/", "/unsubscribe/W"): (403, "changed on its way"),
        link_path(days_ago=367): (403, "too old"),
        "/unsubscribe/x": (404, "not one of our links"),
        "/unsubscribe/%3Cscript%3E": (404, "not one of our links"),
        f"{token}%0d%0aSet-Cookie:a=b": (404, "not one of our links"),
        link_path("gone"): (404, "no such player"),
    }
    for asked, (status, said) in cases.items():
        answer = await http_client(asked, "public", method=method)

        assert (answer.status, said in answer.text) == (status, True), said
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "<script" not in answer.text
    assert stored_setting(db) == SUBSCRIBED
    assert db.users.count_documents({}) == 1


async def test_no_page_sets_a_cookie_or_loads_a_file(http_client: HttpClient) -> None:
    for asked in (link_path(), link_path("gone"), link_path(days_ago=400), "/unsubscribe/x"):
        for method in ("GET", "HEAD", "POST"):
            headers = (await http_client(asked, "public", method)).headers

            assert "Set-Cookie" not in headers
            assert "Location" not in headers
            assert headers["Content-Security-Policy"] == (
                "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                "frame-ancestors 'none'"
            )
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["X-Robots-Tag"] == "noindex"
            assert headers["Cache-Control"] == "no-store"


async def test_without_a_key_or_on_the_operators_listener_there_is_no_such_page(
    http_client: HttpClient, ctx: Context, db: Any, open_web_server: OpenWeb
) -> None:
    keyless = await open_web_server(ctx)
    for method in ("GET", "POST"):
        for answer in (
            await keyless(link_path(), "public", method),
            await http_client(link_path(), "admin", method),
        ):
            assert (answer.status, answer.body) == (404, {"error": "not found"})
    assert stored_setting(db) == SUBSCRIBED


async def test_while_the_store_fails_the_page_asks_to_try_again(
    http_client: HttpClient, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    db.command("collMod", "users", validator={"email_notifications.weekly_summary": True})
    answer = await http_client(link_path(), "public", method="POST")

    assert (answer.status, answer.body) == (503, {"error": "service unavailable"})
    assert stored_setting(db) == SUBSCRIBED
    assert '"event": "unsubscribe_failed"' in "".join(capsys.readouterr())
    db.command("collMod", "users", validator={})
    assert (await http_client(link_path(), "public", method="POST")).status == 200
    assert stored_setting(db) == UNSUBSCRIBED


async def test_requests_are_counted_by_route_and_no_token_is_logged(
    http_client: HttpClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await http_client(link_path(), "public", method="POST")
    metrics = (await http_client("/metrics")).text

    counted = 'chesscoach_http_requests_total{listener="public",path="/unsubscribe/{token}"'
    assert counted in metrics
    token = link_path().rpartition("/")[2]
    said = "".join(capsys.readouterr())
    assert '"event": "unsubscribed"' in said
    assert token not in said + metrics
