"""`python -m tools.screenshot`: the picture of the dashboard in docs/, from sample data."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from tests.support.web.browser import find_chromium

_PICTURE = Path(__file__).parent.parent / "docs" / "dashboard.png"
_WIDTH = 1100
_ANNOUNCEMENT = re.compile(r"The dashboard: (\S+)")


@click.command()
def main() -> None:
    """Starts the daemon on sample data, and takes a picture of its overview."""
    chromium = find_chromium()
    if chromium is None:
        raise click.ClickException("no chromium on the PATH: see `make setup-browser`")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", "-m", "chesscoach.demo.daemon", "--admin", "127.0.0.1:0"]
        daemon = subprocess.Popen(  # noqa: S603  # our own command
            [*command, "--folder", folder], stdout=subprocess.PIPE, text=True
        )
        try:
            _take(chromium, _address(daemon))
        finally:
            daemon.terminate()
            daemon.wait()
    click.echo(f"{_PICTURE.relative_to(Path.cwd())} is written")


def _address(daemon: "subprocess.Popen[str]") -> str:
    for line in daemon.stdout or ():
        if found := _ANNOUNCEMENT.match(line):
            return found[1]
    raise click.ClickException("the daemon ended before it announced its dashboard")


def _take(chromium: str, url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": 600}, color_scheme="light")
        page.goto(url)
        page.get_by_role("heading", name="Schedules").wait_for()
        page.screenshot(path=_PICTURE, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
