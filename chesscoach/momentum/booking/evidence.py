"""Evidence of what a player did: the values that the application's documents are read into."""

from datetime import date, datetime
from typing import TypeVar

from msgspec import Struct, field


class Evidence(Struct, frozen=True, kw_only=True):
    """What one player did at an instant; `ref` names it among those of its kind."""

    ref: str
    user_id: str
    at: datetime


class ImportedGame(Evidence, frozen=True, kw_only=True):
    """A game that was imported; the application has paid for it unless a sync brought it."""

    synced: bool


class AnalysedGame(Evidence, frozen=True, kw_only=True):
    """An analysis of the game `ref`.

    `paid`: the application itself made it, and paid for it. `counts`: it has what an analysis must
    have to be one.
    """

    accuracy: float
    blunders: int
    paid: bool
    counts: bool


class PuzzleAttempt(Evidence, frozen=True, kw_only=True):
    """An attempt at a puzzle; whether it succeeded and how long it took may be unknown."""

    solved: bool | None
    seconds: float | None


class Reflection(Evidence, frozen=True, kw_only=True):
    """An answer to the question what went wrong in a game."""


class CompletedSession(Evidence, frozen=True, kw_only=True):
    """A training session that was completed; `day` is its date, and `at` the day's beginning."""

    day: date


class DailyClaim(Evidence, frozen=True, kw_only=True):
    """The application's daily reward, which it has paid."""


E = TypeVar("E", bound=Evidence)


class EvidenceWindow(Struct, frozen=True, kw_only=True):
    """The evidence between two instants, by kind."""

    games: list[ImportedGame] = field(default_factory=list)
    analyses: list[AnalysedGame] = field(default_factory=list)
    puzzles: list[PuzzleAttempt] = field(default_factory=list)
    reflections: list[Reflection] = field(default_factory=list)
    sessions: list[CompletedSession] = field(default_factory=list)
    claims: list[DailyClaim] = field(default_factory=list)

    def between(self, after: datetime, until: datetime) -> "EvidenceWindow":
        """Its part from one instant to another, both included."""

        def part(facts: list[E]) -> list[E]:
            return [fact for fact in facts if after <= fact.at <= until]

        return EvidenceWindow(
            games=part(self.games),
            analyses=part(self.analyses),
            puzzles=part(self.puzzles),
            reflections=part(self.reflections),
            sessions=part(self.sessions),
            claims=part(self.claims),
        )

    @property
    def timed(self) -> list[Evidence]:
        """All of it but the sessions, which have a day and no instant."""
        return [*self.games, *self.analyses, *self.puzzles, *self.reflections, *self.claims]

    @property
    def activity(self) -> list[Evidence]:
        """What makes a day of a streak; an import does not, nor does an analysis that failed."""
        analyses = [analysis for analysis in self.analyses if analysis.counts]
        return [*analyses, *self.puzzles, *self.reflections, *self.sessions, *self.claims]

    @property
    def paid_activity(self) -> list[Evidence]:
        """What the application counts as activity; it pays the day of its streak itself."""
        games = [game for game in self.games if not game.synced]
        return [*games, *(a for a in self.analyses if a.paid), *self.claims]


class EvidencePage(Struct, frozen=True, kw_only=True):
    """All evidence from one instant to another, as it was read at once."""

    after: datetime
    until: datetime
    found: EvidenceWindow
