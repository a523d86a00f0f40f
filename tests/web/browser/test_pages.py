"""Each page in a browser: no error, nothing overflows, all can use it, and it says what is so."""

import re
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.web.admin_client import ADMIN_TOKEN
from tests.web.browser.conftest import ARTEFACTS, HOSTILE, PAGES, OpenPage, Site

pytestmark = pytest.mark.browser

LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (320, "light"),
    (375, "light"),
    (375, "dark"),
    (1280, "light"),
    (1280, "dark"),
)

WIDER_THAN_THE_WINDOW = """() => [...document.querySelectorAll("body *")].filter((each) =>
  !each.closest(".scroll") && each.getBoundingClientRect().right > innerWidth + 0.5 &&
  getComputedStyle(each).position !== "absolute").map((each) => each.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_its_window_and_axe_finds_nothing(open_page: OpenPage, path: str) -> None:
    _look_at(open_page(path))


def test_the_page_of_a_run_and_the_login_do_so_too(
    guarded_url: str, open_page: OpenPage, site: Site
) -> None:
    run = site.database.job_runs.find_one({"outcome": "failed", "errors": {"$ne": []}})
    assert run is not None
    _look_at(open_page(f"/runs/{quote(run['_id'], safe='')}"))
    page = open_page(f"{guarded_url}/login?next=/runs")
    _look_at(page)
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not a token")
    _look_at(page)
    page.get_by_label("Token").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/runs")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")


def _look_at(page: Page) -> None:
    """A page at each width, light and dark; axe looks at the smallest and the largest."""
    from axe_playwright_python.sync_playwright import Axe

    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    path = urlsplit(page.url)
    text = unquote(f"{path.path}?{path.query}").strip("/?")
    name = re.sub(r"\W", "_", text)[:60] or "overview"
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(WIDER_THAN_THE_WINDOW) == [], width
        page.screenshot(path=ARTEFACTS / f"{name}_{width}_{scheme}.png", full_page=True)
        if (width, scheme) in (LOOKS[0], LOOKS[-1]):
            found = Axe().run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], width


def test_the_overview_says_what_the_api_says(open_page: OpenPage) -> None:
    page = open_page("/")
    schedules = page.request.get("/api/v1/schedules").json()["schedules"]
    assert len(schedules) > 5
    for schedule in schedules:
        row = page.locator("tr", has=page.get_by_role("link", name=schedule["id"], exact=True))
        if schedule["last"] is not None:
            expect(row).to_contain_text(schedule["last"]["outcome"].replace("_", " "))
        if schedule["next"] is not None:
            next_slot = schedule["next"].replace("T", " ").replace("Z", " UTC")
            expect(row).to_contain_text(next_slot)


def test_a_run_says_what_the_api_says(open_page: OpenPage) -> None:
    page = open_page("/runs?outcome=failed")
    run = page.request.get("/api/v1/runs?outcome=failed&limit=1").json()["runs"][0]
    page.get_by_role("link", name=run["id"], exact=True).click()
    main = page.get_by_role("main")
    for text in (run["outcome"], run["job"], f"{run['done']} done", f"{run['failed']} failed"):
        expect(main).to_contain_text(text)
    expect(main).to_contain_text(run["errors"][0]["error"])


def test_hostile_names_are_shown_as_texts(open_page: OpenPage) -> None:
    page = open_page("/players?q=%3Cscript")
    page.get_by_role("link", name=HOSTILE[:20]).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>document.title")
    page.get_by_text(HOSTILE[:20]).nth(1).click()
    assert "stolen" not in page.title().partition("·")[2]
    assert page.locator("img").count() == 0
    page.go_back()
    assert page.locator("img").count() == 0
    assert page.title() == "Players · chesscoach"


def test_a_page_shows_what_has_changed_without_a_reload(open_page: OpenPage, site: Site) -> None:
    page = open_page("/")
    expect(page.get_by_role("button", name="Live updates")).to_be_visible()
    _insert_running(site, done=1)
    expect(page.get_by_role("main")).to_contain_text("1 done of 77", timeout=15_000)
    _insert_running(site, done=40)
    expect(page.get_by_role("main")).to_contain_text("40 done of 77", timeout=15_000)
    page.get_by_role("button", name="Live updates").click()
    expect(page.locator("#live-state")).to_have_text("stopped")
    site.database.job_runs.delete_one({"_id": "cleanup:manual:watched"})


def _insert_running(site: Site, done: int) -> None:
    """A run that another process has in progress."""
    newest = site.database.job_runs.find_one(sort=[("started_at", -1)])
    assert newest is not None
    run = {**newest, "_id": "cleanup:manual:watched", "schedule": None, "slot": None}
    run |= {"outcome": "running", "finished_at": None, "candidates": 77, "done": done}
    site.database.job_runs.replace_one({"_id": run["_id"]}, run, upsert=True)


def test_a_tab_that_cannot_have_a_stream_fetches_its_page(open_page: OpenPage) -> None:
    page = open_page("/sources")
    assert _kept_fresh(page) == ""


def _kept_fresh(page: Page) -> str:
    """How the page says that it is kept up to date; empty while it has a stream."""
    page.wait_for_function("() => document.getElementById('live-state').textContent === ''")
    return page.locator("#live-state").inner_text()
