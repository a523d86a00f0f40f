"""Mails and pages in a browser: nothing overflows, all can be read, nothing is loaded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Route, sync_playwright

import chesscoach
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly.values import Highlight, Swing, WeekExtras
from tests.support.emails.week_factory import (
    EMAILS,
    GERMAN,
    UNSUBSCRIBE,
    WEEK,
    bare_summary,
    full_summary,
    make_game,
    make_results,
    recipient,
    render_email,
    renderer_with,
)
from tests.support.web.browser import find_chromium

pytestmark = pytest.mark.browser

ARTEFACTS = Path(chesscoach.__file__).parent.parent / ".artefacts"

OVERFLOWING = """() => {
  const root = document.documentElement;
  const wide = root.scrollWidth > root.clientWidth ? ["the page itself"] : [];
  for (const each of document.body.querySelectorAll("*")) {
    const box = each.getBoundingClientRect();
    const seen = box.width > 1 && box.height > 1;
    if (seen && (box.right > root.clientWidth + 0.5 || box.left < -0.5 ||
        (each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display === "block")))
      wide.push(each.outerHTML.slice(0, 200));
  }
  return wide;
}"""

UNREADABLE = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const part = [r, g, b].map((each) => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
      if (colour[3] > 0) throw new Error("a background that is half transparent");
    }
    throw new Error("no background");
  };
  const found = { read: 0, bad: [] };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.tagName === "STYLE") continue;
    const [one, other] = [parse(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.read += 1;
    if (ratio < 4.5) found.bad.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim()}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is shown, made before there is a browser: its driver runs an event loop."""
    folder = tmp_path_factory.mktemp("locales")
    return {name: make(folder) for name, make in PAGES.items()}


@pytest.fixture(scope="module")
def browser(documents: dict[str, str]) -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.fail('no chromium on the PATH: install one, or leave out with -m "not browser"')
    with sync_playwright() as playwright:
        # The sandbox cannot be had by root, as whom containers run; what is shown is our own.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


def unbreakable_email() -> Message:
    """An email of words that cannot be broken and of large numbers."""
    game = make_game(opponent="W" * 60, platform="P" * 60, speed="S" * 60)
    swing = Swing(cp_loss=99_999, move_number=12_345, move="Qa1xh8=Q++##")
    week = full_summary(
        results_by_speed=(
            make_results(platform="W" * 60, speed="M" * 60, rating_start=99_999, rating_end=1),
            make_results(played=123_456, won=123_000, drawn=6, lost=450),
        ),
        weakness="Donaudampfschifffahrtsgesellschaftskapitän" * 2,
        strength="W" * 60,
        streak=1_234_567,
        longest_streak=9_234_567,
        points=123_456_789,
        extras=WeekExtras(rank=1_234_567),
        level=1_234_567,
        best_game=Highlight(game_id="3f1c", accuracy=100.0, game=game),
        critical=Highlight(game_id="3f1c", accuracy=9.0, game=game, swing=swing),
    )
    return render_email(week, recipient(name="M" * 60))


def right_to_left_email(folder: Path) -> Message:
    """An email in a language that is written from right to left."""
    return render_email(
        recipient=recipient(language="he"), renderer=renderer_with(folder, he=GERMAN)
    )


def no_games_note() -> Message:
    """The note to a player without games."""
    return Renderer(EMAILS).render_no_games_note(
        WEEK, recipient(), outbox_id="o1", unsubscribe_url=UNSUBSCRIBE
    )


PAGES: dict[str, Callable[[Path], str]] = {
    "summary": lambda _: render_email().html,
    "bare": lambda _: render_email(bare_summary()).html,
    "unwieldy": lambda _: unbreakable_email().html,
    "from_the_right": lambda folder: right_to_left_email(folder).html,
    "note": lambda _: no_games_note().html,
    "unsubscribe": lambda _: Renderer(EMAILS).render_page("unsubscribe", name="M" * 60),
    "unsubscribed": lambda _: Renderer(EMAILS).render_page("unsubscribed"),
    "link_refused": lambda _: Renderer(EMAILS).render_page("link_refused"),
    "user_gone": lambda _: Renderer(EMAILS).render_page("user_gone"),
}


@pytest.mark.parametrize("shown", PAGES)
@pytest.mark.parametrize("width", [375, 700])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_all_can_be_read_and_nothing_is_loaded(
    shown: str,
    width: int,
    scheme: Literal["light", "dark"],
    browser: Browser,
    documents: dict[str, str],
) -> None:
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    try:
        page.route("**/*", refuse)
        page.set_content(documents[shown])
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"{shown}-{width}-{scheme}.png", full_page=True)
        overflowing: list[str] = page.evaluate(OVERFLOWING)
        unreadable: dict[str, Any] = page.evaluate(UNREADABLE)
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    finally:
        page.close()

    assert overflowing == []
    assert unreadable["bad"] == []
    assert unreadable["read"] >= 2
    assert asked == []
    assert background == {"light": "rgb(233, 236, 230)", "dark": "rgb(16, 20, 18)"}[scheme]


def test_a_page_in_which_words_are_lost_would_be_found_out(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 800})
    try:
        page.set_content(
            '<body style="background:#fff"><p style="color:#999">pale</p>'
            '<p style="color:#000;width:400px">wide</p><p style="color:#000;display:none">off</p>'
        )
        overflowing = page.evaluate(OVERFLOWING)
        unreadable = page.evaluate(UNREADABLE)
    finally:
        page.close()

    assert len(overflowing) == 2
    assert unreadable == {"read": 2, "bad": ["2.85: pale"]}
