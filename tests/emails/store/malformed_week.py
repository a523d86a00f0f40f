"""Players whose data have all the odd forms of the application's data.

Each document comes with the instant that its timestamp was made of, so that no test parses it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, TypeAlias

from bson.datetime_ms import DatetimeMS

from chesscoach.mongo.client import Document

Bounds: TypeAlias = tuple[datetime, datetime, datetime]
DatedDocument: TypeAlias = tuple[Document, datetime | None]

US, MS, HOUR, DAY = (
    timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(hours=1), timedelta(days=1),
)  # fmt: skip
INVALID_TIMESTAMPS: tuple[Any, ...] = (
    None, "", "soon", "2026-11-17", "2026-13-40T00:00:00Z", "2026-11-17T25:00:00Z",
    "2026-11-17T10:00:00+99:00", "2026-11-17Tea", 20261117, 1.5, True, math.nan, {}, [],
    {"$": "2026-11-17T10:00:00Z"}, ["2026-11-17T10:00:00Z"], [datetime(2026, 11, 17, tzinfo=UTC)],
    "0" * 2000, "~", "\u2003", DatetimeMS(10**17), DatetimeMS(-(10**17)),
)  # fmt: skip


def _offset(hours: float) -> Callable[[datetime], str]:
    zone = timezone(timedelta(hours=hours))
    return lambda at: at.astimezone(zone).isoformat()


TIMESTAMP_FORMATS: tuple[Callable[[datetime], Any], ...] = (
    datetime.isoformat,
    lambda at: at.isoformat().replace("+00:00", "Z"),
    lambda at: at.isoformat().replace("+00:00", "z"),
    lambda at: at.isoformat(timespec="microseconds"),
    lambda at: at.replace(tzinfo=None).isoformat(),
    lambda at: at.replace(tzinfo=None).isoformat(" ", "microseconds"),
    lambda at: at.isoformat(timespec="microseconds").replace(".", ","),
    lambda at: at.replace(tzinfo=None).isoformat(timespec="microseconds") + "999Z",
    lambda at: at.isoformat(" ") + " ",
    lambda at: "  " + at.isoformat(),
    lambda at: "\u00a0" + at.isoformat(),
    lambda at: at.isoformat().replace("+00:00", "-0000"),
    *map(_offset, (5.5, 14, -12, -3.5, 23.75, -23.75)),
)
TRUTHY_VALUES: tuple[Any, ...] = (True, 1, "no", "false", [0], {"a": 1}, -2.5, math.nan, math.inf)
FALSY_VALUES: tuple[Any, ...] = (False, 0, 0.0, -0.0, "", None, [], {})


class MalformedWeek:
    """The documents of a number of players, by collection, with their instants.

    Every tenth player's data are regular, and every tenth has none.
    """

    def __init__(self, bounds: Bounds, players: int, seed: int) -> None:
        self.before, self.start, self.end = bounds
        self.random = Random(seed)
        self.user_ids = [f"player{number:03}" for number in range(players)]
        self.regular = self.user_ids[::10]
        self.idle = self.user_ids[5::10]
        self.documents: defaultdict[str, list[DatedDocument]] = defaultdict(list)
        self.count = 0
        for user_id in self.user_ids:
            if user_id in self.regular:
                self._add_regular(user_id)
            elif user_id not in self.idle:
                self._add_malformed(user_id)

    def documents_of(self, collection: str, user_id: str) -> Iterator[DatedDocument]:
        """A player's documents, in the order in which they were made."""
        return (pair for pair in self.documents[collection] if pair[0]["user_id"] == user_id)

    def _add_regular(self, user_id: str) -> None:
        """As the application writes today."""
        span = (self.end - self.before) / US
        for number in range(self.random.randint(4, 14)):
            at = self.before + self.random.randrange(int(span)) * US
            if number < 2:  # the application sends no email to a player without data in the week
                at = self.start + number * HOUR
            self._add("games", user_id, {**self._game(user_id), "ended_at": at.isoformat()}, at)
            moves = [self._move() for _ in range(self.random.randint(3, 40))]
            self._analysis(user_id, moves, self.random.uniform(20, 100), at.isoformat(), at)
            answer = {"created_at": at.isoformat(), "move_correct": self.random.random() < 0.5}
            self._add("reflection_results", user_id, answer, at)
        weakness = {"category": "tactics", "subcategory": self.random.choice(("forks", "pins"))}
        profile = {"top_weaknesses": [weakness, {"subcategory": "time"}], "strengths": [weakness]}
        self._add("player_profiles", user_id, profile, None)

    def _add_malformed(self, user_id: str) -> None:
        for _ in range(self.random.randint(0, 14)):
            self._add_malformed_analysis(user_id)
        for _ in range(self.random.randint(0, 10)):
            self._add_malformed_game(user_id)
        for _ in range(self.random.randint(0, 6)):
            value, at = self._random_timestamp()
            answer = {
                "created_at": value,
                "move_correct": self.random.choice((*TRUTHY_VALUES, *FALSY_VALUES)),
            }
            self._add("reflection_results", user_id, answer, at)

    def _random_timestamp(self) -> tuple[Any, datetime | None]:
        """A timestamp at or near a bound, or garbage; and the instant that it stands for."""
        edge = self.random.choice((self.before, self.start, self.end))
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice(INVALID_TIMESTAMPS), None
        if kind < 0.3:  # a date has milliseconds
            at = edge + self.random.choice((-DAY, -MS, MS * 0, MS, DAY))
            return at, at
        at = edge + self.random.choice((-DAY, -HOUR, -MS, -US, US * 0, US, MS, HOUR, DAY, 3 * DAY))
        return self.random.choice(TIMESTAMP_FORMATS)(at), at

    def _move(self) -> Document:
        words = ("blunder", "mistake", "inaccuracy", "good", "best")
        move: Document = {"move_number": self.random.randint(1, 60), "move": "Nf3"}
        move |= {"evaluation": self.random.choice(words), "cp_loss": self.random.randint(0, 900)}
        return move | (
            {"is_best": self.random.random() < 0.5} if self.random.random() < 0.5 else {}
        )

    def _malformed_move(self) -> Any:
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice((None, 7, "blunder", [], [{"evaluation": "blunder"}], True))
        move = self._move()
        if kind < 0.5:
            losses: tuple[Any, ...] = (
                "900", math.nan, math.inf, -math.inf, -5, 0, None, True, [800], {}, 250.5,
            )  # fmt: skip
            words: tuple[Any, ...] = (
                "Blunder", "blunder ", None, 3, ["blunder"], "brilliant", math.nan,
            )  # fmt: skip
            key, values = self.random.choice(
                (
                    ("cp_loss", losses),
                    ("evaluation", words),
                    ("is_best", (*TRUTHY_VALUES, *FALSY_VALUES)),
                    ("move_number", (None, "17", 2.5, True, -1)),
                    ("move", (None, 5, ["e4"], "")),
                )
            )
            move[key] = self.random.choice(values)
            if self.random.random() < 0.3:
                del move[key]
        return move

    def _add_malformed_analysis(self, user_id: str) -> None:
        value, at = self._random_timestamp()
        kind = self.random.random()
        moves: Any = [self._malformed_move() for _ in range(self.random.choice((2, 3, 4, 30)))]
        accuracy: Any = self.random.uniform(1, 100)
        if kind < 0.2:
            accuracy = self.random.choice(
                (0, None, "85.5", math.nan, math.inf, -3, True, 100, 100.1, [85.5], 85)
            )
        elif kind < 0.3:
            moves = self.random.choice(([], None, "e4 e5 Nf3", {"0": 1, "2": 1}, [{"2": 1}] * 2, 3))
        document = self._analysis(user_id, moves, accuracy, value, at)
        if 0.3 < kind < 0.4:
            document["stockfish_failed"] = self.random.choice((True, False, None, 1, "true"))
        elif 0.4 < kind < 0.5:
            odd = self.random.choice(
                ({"stockfish_analysis": None}, {"stockfish_analysis": [{"accuracy": 50}]},
                 {"stockfish_analysis": "85"}, {"game_id": None}, {"game_id": 7})
            )  # fmt: skip
            document |= odd
        elif kind > 0.95:  # the same once more counts once more, as it does in the application
            self._add("game_analyses", user_id, dict(document), at)

    def _analysis(
        self, user_id: str, moves: Any, accuracy: Any, created_at: Any, at: datetime | None
    ) -> Document:
        games = [game["game_id"] for game, _ in self.documents_of("games", user_id)]
        document = {
            "game_id": self.random.choice([*games, "gone"]),
            "created_at": created_at,
            "stockfish_analysis": {"accuracy": accuracy, "move_evaluations": moves},
            "blunders": 99,  # stale, as the application's own counters are
        }
        return self._add("game_analyses", user_id, document, at)

    def _game(self, user_id: str) -> Document:
        self.count += 1
        return {
            "game_id": f"game{self.count}",
            "platform": self.random.choice(("lichess", "chess.com")),
            "username": user_id.upper(),
            "url": f"https://example.org/{self.count}",
            "user_color": self.random.choice(("white", "black")),
            "result": self.random.choice(("1-0", "0-1", "1/2-1/2", "*")),
            "time_control": self.random.choice(("bullet", "blitz", "daily")),
            "imported_at": (self.end + self.random.randint(1, 90) * DAY).isoformat(),
            "pgn": "",
        }

    def _add_malformed_game(self, user_id: str) -> None:
        game = self._game(user_id)
        value, at = self._random_timestamp()
        kind = self.random.random()
        if kind < 0.4:  # ours; what cannot be read is no end, whatever else is known
            game["ended_at"] = value if value is not None else "never"
        elif kind < 0.7:  # the application's, with tags
            at = self.random.choice((self.before, self.start, self.end)) + self.random.choice(
                (-DAY, -HOUR, timedelta(seconds=-1), DAY * 0, timedelta(seconds=1), HOUR, 3 * DAY)
            )
            game["pgn"] = self._pgn(at)
        else:  # the application's, with nothing
            game["imported_at"] = value
            game["pgn"] = self.random.choice((None, 5, ["[Date]"], "", "1. e4 e5", '[Date "????"]'))
            if kind < 0.75:
                game["ended_at"] = None
        game |= self.random.choice(
            ({}, {}, {}, {"user_color": None, "platform": 5}, {"result": "draw"},
             {"time_control": None, "url": 3}, {"result": None, "platform": "fics"})
        )  # fmt: skip
        self._add("games", user_id, game, at)

    def _pgn(self, at: datetime) -> str:
        day, clock = f"{at:%Y.%m.%d}", f"{at:%H:%M:%S}"
        end = f'[EndDate "{day}"]\n[EndTime "{clock}"]\n[UTCDate "2001.01.01"]\n'
        begin = f'[EndDate "????.??.??"]\n[UTCDate "{day}"]\n[UTCTime "{clock}"]\n'
        head = f'[Event "x"]\n[Date "1999.12.31"]\n{self.random.choice((end, begin))}'
        pgn = head + '\n1. e4 {[EndDate "1990.01.01"]} *\n' + "\n" * self.random.randint(0, 3)
        return pgn.replace("\n", "\r\n") if self.random.random() < 0.3 else pgn

    def _add(
        self, collection: str, user_id: str, document: Document, at: datetime | None
    ) -> Document:
        document["user_id"] = user_id
        self.documents[collection].append((document, at))
        return document
