"""Values that pass between rooms: frozen, keyword-only, without behaviour that needs the world.

Instants are aware UTC datetimes. `Platform` is spelled as the application spells it in `games`.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec import Meta, Struct

Platform = Literal["lichess", "chess.com"]
Colour = Literal["white", "black"]
Result = Literal["1-0", "0-1", "1/2-1/2", "*"]

Outcome = Literal[
    "running",  # somebody works it now, or died while working it
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
WORKED: tuple[Outcome, ...] = (
    "succeeded",
    "partial",
    "failed",
    "timed_out",
    "cancelled",
    "abandoned",
)
"""How an attempt ends."""
PASSED_OVER: tuple[Outcome, ...] = ("missed", "coalesced", "skipped_overlap")
"""How a slot ends that nobody works."""

Identifier = Annotated[
    str, Meta(pattern=r"^[a-z0-9_]{1,64}\Z", description="a-z, 0-9 and _, at most 64 characters")
]
Seconds = Annotated[float, Meta(gt=0, le=366 * 86400)]
Instant = Annotated[datetime, Meta(tz=True)]
Amount = Annotated[int, Meta(ge=0, le=316_000_000)]

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""What lies outside is a mistake, and arithmetic with it would leave the calendar."""

_NO_ZONES = ("localtime", "posixrules", "Factory", "posix", "right")
"""What stands in a machine's own zone files: its local time, or zones that count leap seconds."""


def instant(text: str) -> datetime:
    """An instant in RFC 3339, as UTC.

    Raises:
        ValueError: the text is none, has no offset, or is not between 1970 and 2200.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not _FIRST <= at < _LAST:
        msg = "no instant with an offset between 1970 and 2200"
        raise ValueError(msg)
    return at.astimezone(UTC)


def utc(at: datetime) -> str:
    """An instant in RFC 3339, in UTC and whole seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Every(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A period of real elapsed time; clocks that change do not change it.

    Raises:
        ValueError: it is shorter than a second or longer than ten years.
    """

    weeks: Amount = 0
    days: Amount = 0
    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.period <= timedelta(days=3660):
            msg = "a period is at least a second and at most ten years"
            raise ValueError(msg)

    @property
    def period(self) -> timedelta:
        """The whole of it."""
        return timedelta(
            weeks=self.weeks,
            days=self.days,
            hours=self.hours,
            minutes=self.minutes,
            seconds=self.seconds,
        )

    @property
    def spelled(self) -> str:
        """The same in short: `1w 2d`."""
        amounts = (self.weeks, self.days, self.hours, self.minutes, self.seconds)
        return " ".join(
            f"{amount}{unit}" for amount, unit in zip(amounts, "wdhms", strict=True) if amount
        )


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a job runs, and what becomes of slots that cannot be worked in time.

    One trigger: `cron` (five fields, or six with seconds first) in a timezone; `every`, counted
    from `anchor`; or `at`, once. Without a word on `gap` (local times that are left out when
    clocks are put forward) and `fold` (those that come twice) they are as cronsim has them.

    `lock` names the lease (the job's name otherwise) of which `max_instances` may be held at a
    time. A slot that finds none is skipped, or worked right after (`overlap`). Of slots that fell
    due unattended the latest is worked (`coalesce`) or each, none later than `misfire_grace_s`.
    Work begins up to `jitter_s` late, by the slot's own share.

    Raises:
        ValueError: what is set cannot be used (msgspec reports it by key).
    """

    job: Identifier
    cron: Annotated[str, Meta(max_length=200)] | None = None
    timezone: Annotated[str, Meta(max_length=100)] = "UTC"
    gap: Literal["cronsim", "run_after", "skip"] = "cronsim"
    fold: Literal["cronsim", "first", "both"] = "cronsim"
    every: Every | None = None
    anchor: Instant = datetime(2001, 1, 1, tzinfo=UTC)
    at: Instant | None = None
    enabled: bool = True
    lock: Identifier | None = None
    max_instances: Annotated[int, Meta(ge=1, le=100)] = 1
    overlap: Literal["skip", "queue_one"] = "skip"
    coalesce: bool = True
    misfire_grace_s: Seconds | None = None
    jitter_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    args: dict[str, Any] = {}

    def __post_init__(self) -> None:
        given = [name for name in ("cron", "every", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            told = "none" if not given else " and ".join(given)
            msg = f"one of cron, every and at says when: there is {told}"
            raise ValueError(msg)
        if self.cron is None and (self.gap, self.fold) != ("cronsim", "cronsim"):
            msg = "gap and fold are for cron: nothing else goes by local time"
            raise ValueError(msg)
        if self.cron is not None:
            try:
                CronSim(self.cron, datetime(2026, 1, 1, tzinfo=UTC))
            except CronSimError as error:
                msg = f"cron cannot be read: {error}"
                raise ValueError(msg) from None
        try:
            ZoneInfo(self.timezone)
            known = self.timezone.partition("/")[0] not in _NO_ZONES
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = False
        if not known:
            msg = "timezone is not in the IANA database"
            raise ValueError(msg)
        for name in ("anchor", "at"):
            at: datetime | None = getattr(self, name)
            if at is not None and not _FIRST <= at < _LAST:
                msg = f"{name} is not between 1970 and 2200"
                raise ValueError(msg)

    @property
    def trigger(self) -> str:
        """When it runs, in a line."""
        if self.cron is not None:
            return f"{self.cron} ({self.timezone})"
        if self.every is not None:
            return f"every {self.every.spelled}"
        return f"once at {utc(self.at)}" if self.at is not None else "never"


class Slot(Struct, frozen=True, kw_only=True):
    """One occurrence of a schedule: an instant at which it is due."""

    schedule: str
    at: datetime

    @property
    def name(self) -> str:
        """The instant in RFC 3339, as run records, logs and `CHESSCOACH_SLOT` spell it."""
        return utc(self.at)

    @property
    def key(self) -> str:
        """`{schedule}:{slot}`, the `_id` of the run."""
        return f"{self.schedule}:{self.name}"


_PLAIN_ID = re.compile(r"[A-Za-z0-9]{8}|[A-Za-z0-9]{12}|[0-9a-f-]{32,40}|[0-9]{1,20}", re.ASCII)


def plain_id(text: str) -> str:
    """A game's id as it may be logged: it came from outside, so only if it has an id's form."""
    return text if _PLAIN_ID.fullmatch(text) else ""


class Side(Struct, frozen=True, kw_only=True):
    """One player of a game as the site shows him.

    `key` is what identifies him on the site (Lichess: the lower-cased name; Chess.com: the uuid),
    None for engines and anonymous players.
    """

    name: str
    key: str | None
    rating: int | None = None


class Game(Struct, frozen=True, kw_only=True):
    """A finished game, independent of who of our users played it.

    `plies` counts half-moves. `speed`, `variant` and `ending` are the site's own words (blitz,
    daily …; standard, chess …; mate, resigned …). `standard` says that it began from the usual
    position under the usual rules; `initial_fen` is another position that it began from.
    `accuracies` are White's and Black's, in per cent, where the site has judged the game. `unknown`
    names the fields whose values we do not know or cannot read; the words are kept as they came.
    """

    platform: Platform
    external_id: str
    url: str
    white: Side
    black: Side
    result: Result
    speed: str
    variant: str
    standard: bool
    rated: bool
    started_at: datetime | None
    ended_at: datetime
    plies: int
    pgn: str
    ending: str = ""
    initial_fen: str | None = None
    accuracies: tuple[float, float] | None = None
    unknown: tuple[str, ...] = ()


class PendingGame(Struct, frozen=True, kw_only=True):
    """A Lichess game still being played: it must be asked for again by its id.

    `absent` counts how often in a row the site did not know it; aborted games vanish.
    """

    external_id: str
    started_at: datetime
    absent: int = 0


class Player(Struct, frozen=True, kw_only=True):
    """What Lichess's bulk request says of one account.

    `fingerprint` changes when the player was seen, or finished a clock game, or a rated one
    (the reply's seenAt, playTime.total and the sum of perfs.*.games).
    """

    name: str
    closed: bool = False
    bot: bool = False
    seen_at: datetime | None = None
    fingerprint: str = ""


Standing = Literal[
    "active",
    "closed",  # the site says that the player has closed it, or that it was closed
    "missing",  # the site did not know it, several checks in a row
]


class SealedMonth(Struct, frozen=True, kw_only=True):
    """A Chess.com month that should change no more, as it was last seen; `etag` as in `Account`."""

    etag: str
    checked_at: datetime


class Link(Struct, frozen=True, kw_only=True):
    """A user who linked an account, and how he spells its name.

    `since` is where his games begin when he joins: the end of what the application had fetched
    before, or None for a first sync (the newest games of the last months). `joined` tells that
    his own back-fill is complete; games that ended before `floor` were left out of it and stay so.
    `told` is the standing of the account that he has been notified of.
    """

    user_id: str
    name: str
    since: datetime | None = None
    floor: datetime | None = None
    joined: bool = False
    told: Standing = "active"


class Account(Struct, frozen=True, kw_only=True):
    """What we know of one account on one site; `key` is `{platform}:{name}`.

    `cursor` is the start instant of the newest Lichess game that is stored, and `settled_at` when
    `fingerprint` was last accounted for. `first_month` (`2026-11`) is the oldest Chess.com month
    that may still change; `etags` holds, for each month since, the ETag of the reply whose games
    are stored: an empty one if it had none, or a game that could not be read. `player_key` is the
    site's own identity of the player where it is not the name.
    `sealed` are the months before that whose changes are still looked for now and then, `gone`
    those that the site asked us never to ask for again.
    `looked_back` tells that games which began before the take-over and ended after it were sought.
    `standing` changes to "missing" after some checks in a row (`absent`) in which the site did not
    know the name; `lapses` counts how often the account has come back.
    `active_at` is the newest sign of the player, `checked_at` when the last complete check began,
    `saved_at` when this was last written, after all that it stands for.
    """

    key: str
    platform: Platform
    name: str
    links: tuple[Link, ...]
    created_at: datetime
    cursor: datetime | None = None
    pending: tuple[PendingGame, ...] = ()
    fingerprint: str = ""
    settled_at: datetime | None = None
    first_month: str | None = None
    etags: dict[str, str] = {}
    sealed: dict[str, SealedMonth] = {}
    gone: tuple[str, ...] = ()
    player_key: str | None = None
    looked_back: bool = False
    standing: Standing = "active"
    absent: int = 0
    lapses: int = 0
    active_at: datetime | None = None
    checked_at: datetime | None = None
    saved_at: datetime | None = None

    @property
    def joined(self) -> tuple[Link, ...]:
        """The users whose back-fill is complete: new games are theirs at once."""
        return tuple(link for link in self.links if link.joined)

    @property
    def newcomers(self) -> tuple[Link, ...]:
        """The users who still wait for their own back-fill."""
        return tuple(link for link in self.links if not link.joined)


class Counts(Struct, kw_only=True):
    """What a run did, in the unit of the job (players, rows …); the one mutable value.

    `notes` are counts and facts of the job's own; `errors` holds up to 20 samples.
    """

    candidates: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    notes: dict[str, int | str] = {}
    errors: list[dict[str, str]] = []

    SAMPLES = 20

    def note(self, name: str, amount: int = 1) -> None:
        """Adds to a count of the job's own."""
        self.notes[name] = int(self.notes.get(name, 0)) + amount

    def sample(self, **fields: str) -> None:
        """Keeps an error as a sample, unless there are enough of them."""
        if len(self.errors) < self.SAMPLES:
            self.errors.append(fields)

    def success_rate(self) -> float:
        """The share of finished items that succeeded; 1.0 when there was nothing to do."""
        finished = self.done + self.failed
        return self.done / finished if finished else 1.0
