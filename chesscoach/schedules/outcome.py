"""The outcomes of runs, and what runs count."""

from typing import Literal

from msgspec import Struct

Outcome = Literal[
    "running",  # a process runs it, or died while running it
    "succeeded",
    "partial",
    "failed",
    "timed_out",
    "cancelled",  # stopped by a signal; the slot stays open
    "abandoned",  # its owner died; the slot stays open
    "missed",
    "coalesced",
    "skipped_overlap",
]
RUN_OUTCOMES: tuple[Outcome, ...] = (
    "succeeded",
    "partial",
    "failed",
    "timed_out",
    "cancelled",
    "abandoned",
)
"""How an attempt ends."""
SKIP_OUTCOMES: tuple[Outcome, ...] = ("missed", "coalesced", "skipped_overlap")
"""How a slot ends that does not run."""
CLOSED_OUTCOMES: tuple[Outcome, ...] = ("succeeded", "partial", *SKIP_OUTCOMES)
"""Outcomes that close a slot."""
FAILED_OUTCOMES: tuple[Outcome, ...] = ("failed", "timed_out")
"""Outcomes that close a slot when its attempts are used up."""


class Counts(Struct, kw_only=True):
    """What a run did, in the unit of the job (players, documents …); the one mutable value.

    `notes` are counts and facts of the job's own; `errors` has up to 20 samples.
    """

    candidates: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    notes: dict[str, int | str] = {}
    errors: list[dict[str, str]] = []

    MAX_ERRORS = 20

    def note(self, name: str, amount: int = 1) -> None:
        """Adds to a count of the job's own."""
        self.notes[name] = int(self.notes.get(name, 0)) + amount

    def add_error(self, **fields: str) -> None:
        """Keeps an error as a sample, unless there are enough of them."""
        if len(self.errors) < self.MAX_ERRORS:
            self.errors.append(fields)

    def success_rate(self) -> float:
        """Returns the share of finished items that succeeded; 1.0 if there were none."""
        finished = self.done + self.failed
        return self.done / finished if finished else 1.0
