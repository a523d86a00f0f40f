"""Schedules by clicks, by the keyboard alone and without JavaScript: create, pause, edit, run."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.web.browser.conftest import OpenPage, Site

pytestmark = pytest.mark.browser


@pytest.fixture
def new_id(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """An id that no schedule has; what the test makes of it is deleted."""
    schedule_id = re.sub(r"\W", "_", request.node.name.lower())[-40:]
    yield schedule_id
    site.database.schedules.delete_one({"_id": schedule_id})


@pytest.mark.parametrize("javascript", [True, False])
def test_a_schedule_is_created_paused_edited_and_run_by_clicks(
    open_page: OpenPage, new_id: str, javascript: bool
) -> None:
    page = open_page("/schedules", java_script_enabled=javascript)
    page.get_by_label("Id").fill(new_id)
    page.get_by_label("Job", exact=True).select_option("cleanup")
    page.get_by_label("Cron expression", exact=True).fill("30 2 28 3 *")
    page.get_by_label("Time zone of the cron expression").fill("Europe/Berlin")
    page.get_by_role("button", name="Preview the dates").click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("At 02:30 on March 28, Europe/Berlin time")
    expect(preview.get_by_role("row")).to_have_count(11)
    expect(preview).to_contain_text("clock change clocks go forward that day")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("The schedule is created.")).to_be_visible()

    page.get_by_label("Reason").fill("moving house")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("main")).to_contain_text("paused Reason: moving house")

    page.get_by_label("Cron expression", exact=True).fill("61 * * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Cron expression", exact=True)).to_have_attribute(
        "aria-invalid", "true"
    )
    page.get_by_label("Cron expression", exact=True).fill("0 4 * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The change is saved and in effect.")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("At 04:00 every day")

    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run cleanup:manual:")
    _watch(page, reload=not javascript)

    page.goto(f"/schedules/{new_id}")
    page.get_by_label("Delete it for good").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The schedule is deleted")).to_be_visible()
    expect(page.get_by_role("link", name=new_id, exact=True)).to_have_count(0)


def _watch(page: Page, *, reload: bool) -> None:
    """Waits for the end of a run, by live updates or by reloading the page."""
    for _ in range(30):
        if reload:
            page.reload()
        if page.locator(".tag.ok").count():
            break
        page.wait_for_timeout(500)
    expect(page.locator(".tag.ok").first).to_contain_text("succeeded")


def test_the_keyboard_alone_is_enough(open_page: OpenPage, new_id: str) -> None:
    page = open_page("/")
    _press_until(page, "Skip to the content")
    page.keyboard.press("Enter")
    page.goto("/")
    _press_until(page, "Schedules")
    page.keyboard.press("Enter")
    page.wait_for_url("**/schedules")
    _press_until(page, "Id")
    page.keyboard.type(new_id)
    _press_until(page, "Job")
    page.keyboard.type("cleanup")
    _press_until(page, "Cron expression")
    page.keyboard.type("0 5 * * *")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/schedules/{new_id}?done=created")
    _press_until(page, "Reason")
    page.keyboard.type("for a while")
    page.keyboard.press("Enter")
    page.wait_for_url("**?done=paused")
    expect(page.get_by_role("main")).to_contain_text("paused Reason: for a while")
    _press_until(page, "Resume")
    page.keyboard.press("Enter")
    page.wait_for_url("**?done=resumed")
    _press_until(page, "Cron expression")
    page.keyboard.press("Control+A")
    page.keyboard.type("0 6 * * *")
    page.keyboard.press("Enter")
    page.wait_for_url("**?done=saved")
    _press_until(page, "Run now")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    _watch(page, reload=False)


FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  return [(element.labels?.[0] || element).textContent.trim(), style.outlineStyle !== "none"];
}"""


def _press_until(page: Page, name: str) -> None:
    """Presses the tab key until what has the focus has a name; the focus is always seen."""
    for _ in range(120):
        page.keyboard.press("Tab")
        text, outlined = page.evaluate(FOCUSED)
        if text.startswith(name):
            assert outlined, name
            return
    pytest.fail(f"the tab key does not lead to {name}")


def test_an_edit_of_a_changed_schedule_is_refused_and_shows_the_change(
    open_page: OpenPage, new_id: str
) -> None:
    mine = open_page("/schedules")
    mine.get_by_label("Id").fill(new_id)
    mine.get_by_label("Job", exact=True).select_option("cleanup")
    mine.get_by_label("Cron expression", exact=True).fill("0 4 * * *")
    mine.get_by_role("button", name="Create").click()
    expect(mine.get_by_text("The schedule is created.")).to_be_visible()
    api = mine.request
    paused = api.post(
        f"/api/v1/schedules/{new_id}/pause",
        headers={"If-Match": '"1"', "Content-Type": "application/json"},
        data='{"reason": "by another operator"}',
    )
    assert paused.ok, paused.text()
    mine.get_by_label("Cron expression", exact=True).fill("0 7 * * *")
    with mine.expect_response(f"**/schedules/{new_id}") as answered:
        mine.get_by_role("button", name="Save").click()
    assert answered.value.status == 412
    alert = mine.get_by_role("alert")
    expect(alert).to_contain_text("by another operator")
    expect(mine.get_by_label("Cron expression", exact=True)).to_have_value("0 7 * * *")
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_text("The change is saved and in effect.")).to_be_visible()
