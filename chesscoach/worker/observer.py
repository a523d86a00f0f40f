"""What a process learns of its runs while they begin and end, such as for pings to a monitor."""

from collections.abc import Mapping
from typing import Any, Protocol


class RunObserver(Protocol):
    """Receives the runs of a process. A method returns soon and raises nothing.

    A slot that does not run, because it is closed, overlaps or another process has it, is no run.
    """

    def run_started(self, job: str, run_id: str) -> None:
        """An attempt has its lease and begins."""

    async def run_ended(self, record: Mapping[str, Any]) -> None:
        """An attempt has ended and is recorded; its record is that of `--json`."""


class SilentObserver:
    """Ignores every run."""

    def run_started(self, job: str, run_id: str) -> None:
        """Does nothing."""

    async def run_ended(self, record: Mapping[str, Any]) -> None:
        """Does nothing."""
