"""Sources that fail under a run of the sync, and what must hold whatever they answer."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_site import FakeSite, SiteFault
from chesscoach.demo.world import SourceName
from tests.conftest import FakeSites
from tests.support.sync.sync_members import (
    ANALYSABLE_GAME,
    PLATFORMS,
    add_member,
    before_now,
    expected_urls,
    run_sync,
)
from tests.support.time_travel import advance_time

NAMES = ("Ann", "Bob", "Cid", "Dan")


@asynccontextmanager
async def open_process_context(
    settings: Settings, now: Callable[[], datetime] = utc_now, **sources: float
) -> AsyncIterator[Context]:
    """A context as another process would have it, with other settings of `[sources]`."""
    changed = replace(settings.config.sources, **sources)
    config = replace(settings.config, sources=changed)
    async with open_context(replace(settings, config=config), now) as ctx:
        yield ctx


def missing_behind_cursors(db: Any, sites: FakeSites) -> list[str]:
    """Games that a Lichess cursor has passed, or a Chess.com ETag stands for, but are not there."""
    urls = set(db.games.distinct("url"))
    lost = []
    for account in db.sync_accounts.find():
        name, link = account["name"], account["links"][0]
        since = link["since"] - timedelta(minutes=10) if link["since"] else before_now(days=60)
        pending = {game["external_id"] for game in account["pending"]}
        etags = account["etags"] | {
            month: seal["etag"] for month, seal in account["sealed"].items()
        }
        whole = {m for m, etag in etags.items() if etag == sites.chesscom.month(name, m)[1]}
        for game in sites.world.finished_games(account["platform"], name):
            if account["platform"] == "lichess":
                cursor = account["cursor"]
                behind = cursor is not None and since <= game.started_at <= cursor
                behind = behind and game.id not in pending
            else:
                assert game.ended_at is not None
                behind = sites.chesscom.month_of(game.ended_at) in whole
            if behind and game.url not in urls:
                lost.append(game.url)
    return lost


def other_platform(source: SourceName) -> SourceName:
    return "chess.com" if source == "lichess" else "lichess"


def failure_counts(db: Any) -> dict[str, int]:
    """Failed checks in a document of the accounts that have any."""
    accounts = db.sync_accounts.find({"failures": {"$gt": 0}})
    return {account["_id"]: account["failures"] for account in accounts}


class FaultScenario:
    """Members of both sources, one of which is about to fail."""

    def __init__(self, settings: Settings, ctx: Context, db: Any, sites: FakeSites) -> None:
        self.settings = settings
        self.ctx = ctx
        self.db = db
        self.sites = sites

    def source(self, source: SourceName) -> FakeSite:
        """The stand-in of a source, which expects our pauses."""
        site = self.sites.lichess if source == "lichess" else self.sites.chesscom
        site.pause_s, site.breaker_s = self.settings.config.sources.first_pause_s, 900.0
        return site

    def struck(self, fault: SiteFault | None = None, now: Callable[[], datetime] = utc_now) -> Any:
        """A context of another process, whose breaker is open for long once it opens."""
        timeout_s = 1.0 if fault == "hang" else 30.0
        return open_process_context(self.settings, now, breaker_open_s=900.0, timeout_s=timeout_s)

    def play(self, source: SourceName, *names: str, **ago: float) -> None:
        """Ends a game of each player so long ago."""
        for name in names:
            self.sites.world.add_game(source, name, before_now(**ago), famous=ANALYSABLE_GAME)

    async def add_accounts_with_news(self) -> None:
        """Two of them have been synced, one by the application, one never; all have played."""
        for name in NAMES[:2]:
            await add_member(self.ctx, self.db, self.sites, name, *PLATFORMS)
        for source in PLATFORMS:
            self.play(source, *NAMES[:2], days=20)
        slow = self.sites.world.add_game(
            "lichess", "Ann", None, started_at=before_now(hours=9), speed="correspondence"
        )
        await run_sync(self.ctx)
        synced = before_now(hours=6)
        await add_member(self.ctx, self.db, self.sites, "Cid", *PLATFORMS, synced=synced)
        await add_member(self.ctx, self.db, self.sites, "Dan", *PLATFORMS)
        for source in PLATFORMS:
            for minutes in (10, 20, 30):
                self.play(source, *NAMES, minutes=minutes)
        slow.ended_at, slow.status = before_now(minutes=5), "resign"
        self.sites.clear_requests()

    def assert_no_data_lost(self) -> None:
        """Whatever the sources answer, no account is let go and no game forgotten."""
        kept = {"standing": "active", "absent": 0, "links": {"$size": 1}}
        accounts = self.db.sync_accounts
        assert accounts.count_documents(kept) == accounts.count_documents({})
        for user in self.db.users.find({"user_id": {"$in": [name.lower() for name in NAMES]}}):
            names = {user.get("lichess_username"), user.get("chesscom_username")} - {None}
            assert {name.lower() for name in names} == {user["user_id"]}
        assert self.db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0
        assert missing_behind_cursors(self.db, self.sites) == []
        for site in (self.sites.lichess, self.sites.chesscom):
            assert (site.violations, site.max_in_flight <= 1) == ([], True)

    def assert_complete(self, *names: str) -> None:
        """Every game once, no queue item twice, and the users' documents say since when."""
        db = self.db
        assert Counter((game["user_id"], game["url"]) for game in db.games.find()) == Counter(
            (name.lower(), url)
            for name in names
            for url in expected_urls(self.sites, name, *PLATFORMS)
        )
        items = [item["game_id"] for item in db.analysis_queue.find()]
        assert len(set(items)) == len(items) > 0
        for user in (name.lower() for name in names):
            checks = db.sync_accounts.distinct("checked_at", {"links.user_id": user})
            last_sync = db.users.find_one({"user_id": user})["last_game_sync"]
            assert abs(datetime.fromisoformat(last_sync) - min(checks)) < timedelta(milliseconds=1)

    async def assert_recovery(self, *names: str) -> None:
        """The first run after the faults brings all that they held up."""
        advance_time(self.db, self.sites, seconds=901)
        begun = datetime.now(UTC) - timedelta(milliseconds=1)
        await run_sync(self.ctx, all=True)
        self.assert_complete(*names)
        self.assert_no_data_lost()
        for user in self.db.users.find():
            assert datetime.fromisoformat(user["last_game_sync"]) >= begun
