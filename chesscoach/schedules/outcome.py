"""The outcomes of runs, and what runs count."""

from typing import Literal, get_args

from msgspec import Struct

RunOutcome = Literal[
    "succeeded",
    "partial",
    "failed",
    "timed_out",
    "cancelled",  # by a signal: the slot stays open; by an operator: it does not run again
    "abandoned",  # its owner died; the slot stays open
]
"""How an attempt ends."""
SkipOutcome = Literal["missed", "coalesced", "skipped_overlap"]
"""How a slot ends that does not run. Each is a verdict of `schedules explain`, too."""
Outcome = Literal["running", RunOutcome, SkipOutcome]
"""`running`: a process runs it, or died while running it."""

RUN_OUTCOMES: tuple[RunOutcome, ...] = get_args(RunOutcome)
SKIP_OUTCOMES: tuple[SkipOutcome, ...] = get_args(SkipOutcome)
SUCCEEDED_OUTCOMES: tuple[RunOutcome, ...] = ("succeeded", "partial")
"""Outcomes of a run that did its work, fully or in part."""
FAILED_OUTCOMES: tuple[RunOutcome, ...] = ("failed", "timed_out")
"""Outcomes that close a slot when its attempts are used up."""
RETRY_OUTCOMES: tuple[RunOutcome, ...] = ("cancelled", "abandoned")
"""Outcomes after which a slot runs again, however many attempts it has had."""
CLOSED_OUTCOMES: tuple[Outcome, ...] = (*SUCCEEDED_OUTCOMES, *SKIP_OUTCOMES)
"""Outcomes that close a slot."""


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
