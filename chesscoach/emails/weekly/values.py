"""A player's week as it is read, what is made of it, and the mail that tells of it."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from chesscoach.schedules.iso_week import Week
from chesscoach.sources.game import Colour, GameResult

Trend = Literal["improving", "declining", "stable"]
EmailKind = Literal["weekly_summary"]
"""What a mail is about: a name in `email_notifications`, in the outbox and in links."""


class PlayedGame(Struct, frozen=True, kw_only=True):
    """A game of the week; ratings are the player's own, where they are known."""

    game_id: str
    platform: str
    speed: str
    colour: Colour | None
    result: GameResult
    ended_at: datetime
    rating_before: int | None = None
    rating_after: int | None = None
    opponent: str = ""
    url: str = ""


class Swing(Struct, frozen=True, kw_only=True):
    """The costliest move of a game: centipawns lost, and the number of the full move."""

    cp_loss: float
    move_number: int | None = None
    move: str = ""


class AnalysedGame(Struct, frozen=True, kw_only=True):
    """A proper analysis: accuracy in per cent, and counts from its move evaluations.

    `game` is what it is an analysis of, where that is there still.
    """

    game_id: str
    analysed_at: datetime
    accuracy: float
    blunders: int
    mistakes: int
    best_moves: int
    swing: Swing | None = None
    game: PlayedGame | None = None


class PlayerWeek(Struct, frozen=True, kw_only=True):
    """What the store knows of a player for one mail.

    `played` are the games that ended in the week; `analysed` those that were analysed in it, and
    `analysed_before` in the week before, as the application counts: by when the analysis was made.
    `reflections` and `reflections_right` are his answers of the week. `points` are those of the
    week, where they are counted.
    """

    user_id: str
    week: Week
    played: tuple[PlayedGame, ...] = ()
    analysed: tuple[AnalysedGame, ...] = ()
    analysed_before: tuple[AnalysedGame, ...] = ()
    weakness: str | None = None
    strength: str | None = None
    reflections: int = 0
    reflections_right: int = 0
    streak: int | None = None
    longest_streak: int | None = None
    points: int | None = None
    level: int | None = None


class ResultsBySpeed(Struct, frozen=True, kw_only=True):
    """Games of one platform and speed; those without a known result are in `played` alone.

    The ratings are the first known of the week and the last.
    """

    platform: str
    speed: str
    played: int
    won: int
    drawn: int
    lost: int
    rating_start: int | None = None
    rating_end: int | None = None


class WeekAccuracy(Struct, frozen=True, kw_only=True):
    """How a week's analysed games were played; `accuracy` is their mean, in per cent."""

    games: int = 0
    accuracy: float | None = None
    blunders: int = 0
    mistakes: int = 0
    best_moves: int = 0

    def per_game(self, count: int) -> float:
        """One of the counts for each game; 0.0 where there were none."""
        return count / self.games if self.games else 0.0


class Highlight(Struct, frozen=True, kw_only=True):
    """A game worth looking at again: the best by accuracy, or where the largest swing was."""

    game_id: str
    accuracy: float
    swing: Swing | None = None
    game: PlayedGame | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """What a weekly mail says, in numbers; words are made of it when it is rendered.

    `focus` is what to work on next week: the weakness from the profile, or what the week's counts
    point at; None if nothing does.
    """

    user_id: str
    week: Week
    results_by_speed: tuple[ResultsBySpeed, ...] = ()
    accuracy: WeekAccuracy = WeekAccuracy()
    before: WeekAccuracy = WeekAccuracy()
    trend: Trend = "stable"
    weakness: str | None = None
    strength: str | None = None
    reflections: int = 0
    reflections_right: int = 0
    streak: int | None = None
    longest_streak: int | None = None
    points: int | None = None
    level: int | None = None
    best_game: Highlight | None = None
    critical: Highlight | None = None
    focus: Literal["weakness", "blunders", "mistakes", "analyse", "reflect", "keep_going"] = (
        "keep_going"
    )

    @property
    def played(self) -> int:
        """Games played in the week, on all sites."""
        return sum(tally.played for tally in self.results_by_speed)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say: nothing was played and nothing analysed."""
        return self.played == 0 and self.accuracy.games == 0


class Recipient(Struct, frozen=True, kw_only=True):
    """Whom a mail is for; `timezone` and `language` are unchecked and may be missing."""

    user_id: str
    email: str
    name: str = ""
    timezone: str | None = None
    language: str | None = None


class Message(Struct, frozen=True, kw_only=True):
    """A mail as it leaves; `outbox_id` is its identity, also at the provider.

    `headers` are those beside From, To and Subject. No value has a line break but the bodies.
    """

    outbox_id: str
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str] = {}


class SendResult(Struct, frozen=True, kw_only=True):
    """What became of one attempt to hand a mail over.

    - accepted: it is the provider's now, under `message_id`
    - sandboxed: it was checked and thrown away (sandbox mode)
    - refused: this mail will never be taken, the next one may be
    - throttled: not taken; to be tried again after `wait_s` seconds
    - not_sent: nothing of it has left us
    - stopped: not taken, and no other will be: a bad key, a sender unknown, credits used up
    - unknown: it may have been taken

    `reason` is for people: it quotes no address and no key.
    """

    verdict: Literal[
        "accepted", "sandboxed", "refused", "throttled", "not_sent", "stopped", "unknown"
    ]
    reason: str = ""
    message_id: str | None = None
    wait_s: float = 0.0
