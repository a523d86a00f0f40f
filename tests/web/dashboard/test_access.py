"""What a viewer may do decides what a page offers; below a base path every link has it."""

import re

from msgspec.structs import replace

from chesscoach.context import Context
from tests.web.dashboard.conftest import (
    ADMIN_TOKEN,
    LOOPBACK,
    READ_TOKEN,
    WITH_TOKENS,
    OpenDashboard,
    add_schedule,
    words_of,
)

PATHS = ("/", "/schedules", "/schedules/mine", "/runs", "/emails", "/players")


async def test_the_read_only_token_sees_everything_and_no_form(
    board: Context, open_dashboard: OpenDashboard
) -> None:
    await add_schedule(board, "mine")
    ask = await open_dashboard(WITH_TOKENS)
    for path in PATHS:
        answer = await ask(path, headers={"Authorization": f"Bearer {READ_TOKEN}"})
        assert answer.status == 200, path
        assert "read-only" in words_of(answer)
        for button in ("Create", "Save", "Pause", "Run now", "Delete", "Resend"):
            assert f">{button}</button>" not in answer.text, path
    admin = await ask("/schedules/mine", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert ">Run now</button>" in admin.text


async def test_without_a_session_a_page_leads_to_the_login_and_back(
    board: Context, open_dashboard: OpenDashboard
) -> None:
    await add_schedule(board, "mine")
    ask = await open_dashboard(WITH_TOKENS)
    refused = await ask("/schedules/mine", allow_redirects=False)
    assert refused.status == 303
    assert refused.headers["Location"] == "/login?next=%2Fschedules%2Fmine"
    form = {"token": ADMIN_TOKEN, "next": "/schedules/mine"}
    page = await ask("/login", method="POST", data=form, allow_redirects=False)
    assert page.headers["Location"] == "/schedules/mine"
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    shown = await ask("/schedules/mine", headers={"Cookie": cookie})
    assert ">Log out</button>" in shown.text


async def test_below_a_base_path_every_link_and_form_has_it(
    board: Context, open_dashboard: OpenDashboard
) -> None:
    await add_schedule(board, "mine")
    ask = await open_dashboard(replace(LOOPBACK, base_path="/coach"))
    for path in PATHS:
        page = await ask(f"/coach{path}")
        links = re.findall(r'(?:href|src|action|hx-get|data-events)="(/[^"]*)"', page.text)
        assert len(links) > 8
        assert [link for link in links if not link.startswith("/coach/")] == [], path
        assert 'aria-current="page"' in page.text
