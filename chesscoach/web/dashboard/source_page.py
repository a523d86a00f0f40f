"""`/sources`: the lane, the requests and the accounts of each source."""

from collections import Counter
from datetime import datetime

from msgspec import Struct

from chesscoach.context import Context
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES, Source
from chesscoach.sync.store.account_statistics import AccountStatistics, StalestAccount
from chesscoach.sync.store.lanes import LaneStatus

_TOO_MANY_REQUESTS = "429"


class SourceDetails(Struct, frozen=True, kw_only=True):
    """A source: its lane, the requests of this process by status, and its accounts.

    `accounts` counts by status, and by whether the last check failed.
    """

    source: Source
    lane: LaneStatus
    contact_missing: bool
    requests: dict[str, int]
    accounts: dict[tuple[str, bool], int]
    stalest: StalestAccount | None

    @property
    def limited(self) -> int:
        """How often the source said that there were too many requests."""
        return self.requests.get(_TOO_MANY_REQUESTS, 0)


class SourcesView(Struct, frozen=True, kw_only=True):
    """All sources as of an instant."""

    at: datetime
    sources: tuple[SourceDetails, ...]


async def read_sources(ctx: Context) -> SourcesView:
    """Reads the state of all sources."""
    now, statistics = ctx.now(), AccountStatistics(ctx.mongo.database)
    views = []
    for platform, source in SOURCES.items():
        views.append(
            SourceDetails(
                source=source,
                lane=await ctx.sync.lanes[platform].status(),
                contact_missing=source.requires_contact and not ctx.config.sources.contact,
                requests=_requests(ctx, platform),
                accounts=await statistics.counts(platform),
                stalest=await statistics.stalest(platform),
            )
        )
    return SourcesView(at=now, sources=tuple(views))


def _requests(ctx: Context, platform: Platform) -> dict[str, int]:
    """The requests of this process since it started, by the response's status."""
    counts = Counter[str]()
    for metric in ctx.metrics.upstream_requests.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total") and sample.labels["platform"] == platform:
                counts[sample.labels["status"]] += int(sample.value)
    return dict(sorted(counts.items()))
