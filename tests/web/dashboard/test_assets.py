"""What pages load: files of this package alone, under names that change with their content."""

import re
from hashlib import sha256

from chesscoach.web.dashboard.assets import FOLDER, HTMX_SHA256
from tests.web.dashboard.conftest import OpenDashboard


def test_htmx_is_the_published_file() -> None:
    assert sha256((FOLDER / "htmx.min.js").read_bytes()).hexdigest() == HTMX_SHA256


async def test_a_page_loads_only_files_that_a_browser_may_keep(
    open_dashboard: OpenDashboard,
) -> None:
    ask = await open_dashboard()
    page = (await ask("/")).text
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(loaded) == 4
    assert not re.findall(r"<style|style=|<script>|\son\w+=|https?://", page)
    for path in loaded:
        answer = await ask(path)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    plain = await ask("/static/dashboard.css")  # of pages that know no hash
    assert plain.headers["Cache-Control"] == "no-cache"
    assert (await ask("/static/dashboard.000.css")).status == 404
