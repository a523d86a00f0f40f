"""One series of checks on players of one database, whose results several tests read."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from tests.support.momentum.outcome import Outcome, snapshot
from tests.support.momentum.scenario import MomentumScenario


class CheckSeries:
    """Checks in the order of time; `after` has what each of them left, by its instant or name."""

    def __init__(self, scenario: MomentumScenario) -> None:
        self.scenario = scenario
        self.db = scenario.db
        self.application = scenario.application
        self.after: dict[str, Outcome] = {}

    async def check(
        self, at: str, check: str = "all", *, name: str | None = None, **args: Any
    ) -> None:
        """Runs checks at an instant of 2026 in UTC, such as `03-09T06:00`."""
        await self.scenario.check(f"2026-{at}:00Z", check, **args)
        self.after[name or at] = snapshot(self.db)


Checks: TypeAlias = Callable[[CheckSeries], Coroutine[Any, Any, None]]
RunSeries: TypeAlias = Callable[[Checks], CheckSeries]
