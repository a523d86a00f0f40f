"""The daemon of `make run` in a process of its own, and a browser that looks at its pages."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from pymongo import MongoClient

from tests.support.web.admin_client import ADMIN_TOKEN, READ_TOKEN
from tests.support.web.browser import find_chromium

ARTEFACTS = Path(__file__).parents[3] / ".artefacts" / "dashboard"
HOSTILE = (
    "<script>document.title='stolen'</script>\u202e<img src=x onerror=\"document.title='stolen'\">"
)

GUARD = {"ADMIN": "127.0.0.1:0", "ADMIN_TOKEN": ADMIN_TOKEN, "READ_TOKEN": READ_TOKEN}

REFUSED_FORM = re.compile(r"status of (403|412|422)")
"""What chromium itself says of a form that was refused; its page says why."""

PAGES = (
    "/",
    "/schedules",
    "/schedules/sync_games",
    "/runs",
    "/runs?outcome=failed",
    "/sources",
    "/emails",
    "/players",
    "/players?board=week",
    "/players/alice",
    "/players/alice/email",
)


class Site(Struct, frozen=True, kw_only=True):
    """A running daemon: the address of its pages, and its database."""

    url: str
    mongo_url: str
    database: Any


OpenPage: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The daemon on its sample data, with players whose names are hostile; it ends with 0."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "chesscoach.demo.daemon", "--admin", "127.0.0.1:0"]
    daemon = subprocess.Popen(
        [*command, "--folder", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert daemon.stdout is not None
    url = next(
        found[1] for line in daemon.stdout if (found := re.match(r"The dashboard: (.*)/$", line))
    )
    port = (folder / "mongo" / "port").read_text().strip()
    mongo_url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    with MongoClient[dict[str, Any]](mongo_url) as client:
        database = client.chesscoach_demo
        database.users.insert_one({"user_id": HOSTILE, "name": HOSTILE * 3, "email": HOSTILE})
        yield Site(url=url, mongo_url=mongo_url, database=database)
    daemon.terminate()
    assert daemon.wait(60) == 0
    daemon.stdout.close()


@pytest.fixture(scope="module")
def guarded_url(site: Site) -> Iterator[str]:
    """The address of the same pages in a process that asks for a token."""
    names = {"MONGO_URL": site.mongo_url, "DB_NAME": site.database.name}
    names |= {f"CHESSCOACH_WEB__{name}": value for name, value in GUARD.items()}
    server = subprocess.Popen(
        [sys.executable, "-m", "chesscoach.cli", "web"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **names, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    listening = next(line for line in map(json.loads, server.stdout) if "urls" in line)
    yield listening["urls"][0]
    server.terminate()
    assert server.wait(60) == 0
    server.stdout.close()


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    """A Chromium. Its event loop runs as long as it is open, so tests elsewhere come after it."""
    path = find_chromium()
    if path is None:
        pytest.fail('no chromium on the PATH: install one, or leave out with -m "not browser"')
    with sync_playwright() as playwright:
        # The sandbox cannot be had by root, as whom containers run; what is shown is our own.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[OpenPage]:
    """Opens pages of the site; what a console or a request says in error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error":
            errors.append(said.text)

    def open_(path: str = "/", width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(
            base_url=site.url, viewport={"width": width, "height": 900}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [error for error in errors if not REFUSED_FORM.search(error)] == []
