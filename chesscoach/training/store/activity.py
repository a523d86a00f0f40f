"""Reads what a batch of players did, in one command."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach import log
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text, to_date
from chesscoach.players.store.game_parser import parse_game
from chesscoach.training import days
from chesscoach.training.activity import Activity, Analysis, Attempt
from chesscoach.training.days import DAY
from chesscoach.training.player import Player
from chesscoach.training.store import numbers, stages

_EPOCH = date(1970, 1, 1)
_AT = attrgetter("at")
_IDS_LOGGED = 3
_YIELD_INTERVAL = 500
"""Documents after which other tasks of the loop get a turn."""


class Span(Struct, frozen=True, kw_only=True):
    """Which activity to read: that of some local days before today, and of today.

    Games, and the blunders in analyses, are read for `detailed_days` only. `quizzes` is the number
    of quizzes to read from before the span.
    """

    days: int
    detailed_days: int
    quizzes: int


class ActivityReader:
    """The collections that show players' activity; only the sessions are ours."""

    def __init__(self, database: Database) -> None:
        self._analyses = MongoCollection(database, "game_analyses")

    async def read(
        self, players: Sequence[Player], span: Span, unrated: Sequence[str] = ()
    ) -> dict[str, Activity]:
        """The activity of some players, by user; of `unrated` ones also their last games."""
        users = {"user_id": {"$in": [player.user_id for player in players]}}
        first = min((player.today for player in players), default=_EPOCH) - span.days * DAY
        last = max((player.today for player in players), default=_EPOCH)
        start = _earliest_start(players, span.days)
        detailed = _earliest_start(players, span.detailed_days)
        pipeline = [
            *stages.analyses(users, start, detailed),
            stages.union_with("puzzle_attempts", stages.attempts(users, start, span.quizzes)),
            stages.union_with(
                "training_sessions", stages.sessions(users, first.isoformat(), last.isoformat())
            ),
            stages.union_with("games", stages.games(users, detailed)),
        ]
        if unrated:
            last_games = stages.last_games({"user_id": {"$in": list(unrated)}})
            pipeline.append(stages.union_with("games", last_games))
        return await self._activities(pipeline, players)

    async def analyses(self, players: Sequence[Player], days_before: int) -> dict[str, Activity]:
        """The analyses alone since that many local days before today, without their blunders."""
        users = {"user_id": {"$in": [player.user_id for player in players]}}
        start, now = _earliest_start(players, days_before), _earliest_start(players, 0)
        return await self._activities(stages.analyses(users, start, now), players)

    async def _activities(
        self, pipeline: Sequence[Document], players: Sequence[Player]
    ) -> dict[str, Activity]:
        # As many documents in a response as fit; the default of the first one is 101.
        documents = await self._analyses.aggregate(pipeline, batchSize=1_000_000)
        parser = _Parser({player.user_id: player.zone for player in players})
        for count, document in enumerate(documents, 1):
            parser.add(document)
            if count % _YIELD_INTERVAL == 0:
                await asyncio.sleep(0)
        return parser.finish()


def _earliest_start(players: Sequence[Player], days_before: int) -> datetime:
    """The earliest instant at which that day before today begins for any of the players."""
    starts = (days.start_of(player.today - days_before * DAY, player.zone) for player in players)
    return min(starts, default=days.start_of(_EPOCH, ZoneInfo("UTC")))


class _Parser:
    """Sorts documents by player, and logs those that cannot be read."""

    def __init__(self, zones: Mapping[str, ZoneInfo]) -> None:
        self._zones = zones
        self._unreadable: dict[str, list[tuple[str, str]]] = {}
        self._activities = {user_id: Activity() for user_id in zones}

    def add(self, document: Document) -> None:
        """Adds a document to the activity of its player."""
        user_id = document["user_id"]
        if not is_text(user_id) or user_id not in self._zones:
            return
        activity, zone = self._activities[user_id], self._zones[user_id]
        match document["kind"]:
            case "analysis":
                if analysis := self._analysis(document, zone):
                    activity.analyses.append(analysis)
            case "attempts":
                self._add_attempts(activity, document, zone)
            case "session":
                self._add_session(activity, document)
            case "game":
                game = parse_game(document)
                if game is None or not is_plausible(game.ended_at):
                    self._refuse("games", document["_id"], user_id)
                else:
                    activity.games[game.game_id] = (days.local_day(game.ended_at, zone), game)

    def finish(self) -> dict[str, Activity]:
        """The activities by user; logs the documents that could not be read."""
        for collection, refused in self._unreadable.items():
            log.get_logger().warning(
                "documents_unreadable",
                collection=collection,
                count=len(refused),
                ids=[key for key, _ in refused[:_IDS_LOGGED]],
                users=list(dict.fromkeys(user for _, user in refused))[:_IDS_LOGGED],
            )
        for activity in self._activities.values():
            activity.analyses.sort(key=_AT)
            activity.attempts.sort(key=_AT)
        return self._activities

    def _analysis(self, document: Document, zone: ZoneInfo) -> Analysis | None:
        at, accuracy = _instant(document.get("at")), numbers.finite(document.get("accuracy"))
        if (
            at is None
            or accuracy is None
            or not 0 < accuracy <= stages.MAX_ACCURACY
            or document["is_odd"]
        ):
            self._refuse("game_analyses", document["game_id"], document["user_id"])
            return None
        return Analysis(
            game_id=str(document["game_id"]),
            at=at,
            day=days.local_day(at, zone),
            accuracy=accuracy,
            blunders=document["blunders"],
        )

    def _attempt(self, item: Document, user_id: str, zone: ZoneInfo) -> Attempt | None:
        at = _instant(item.get("at"))
        if at is None:
            self._refuse("puzzle_attempts", item["_id"], user_id)
            return None
        if numbers.is_odd(item.get("ms")) or numbers.is_odd(item.get("seconds")):
            self._refuse("puzzle_attempts", item["_id"], user_id)  # and it is an attempt
        milliseconds, seconds = numbers.finite(item.get("ms")), numbers.finite(item.get("seconds"))
        minutes = milliseconds / 60_000 if milliseconds is not None else (seconds or 0.0) / 60
        return Attempt(
            at=at,
            day=days.local_day(at, zone),
            solved=item.get("solved"),
            minutes=max(minutes, 0.0),
        )

    def _add_attempts(self, activity: Activity, document: Document, zone: ZoneInfo) -> None:
        for item in (*document["recent"], *document["older"]):
            if item and (attempt := self._attempt(item, document["user_id"], zone)):
                activity.attempts.append(attempt)

    def _add_session(self, activity: Activity, document: Document) -> None:
        day, minutes = to_date(document["local_date"]), document.get("actual_min")
        if day is None or numbers.is_odd(minutes):
            self._refuse("training_sessions", document["_id"], document["user_id"])
        elif minutes is not None and minutes > 0:
            activity.session_minutes[day] = activity.session_minutes.get(day, 0.0) + minutes

    def _refuse(self, collection: str, key: object, user_id: str) -> None:
        self._unreadable.setdefault(collection, []).append((str(key)[:80], user_id[:80]))
        self._activities[user_id].unreadable.add(collection)


def _instant(value: object) -> datetime | None:
    at = timestamps.parse_instant(value)
    return at if at is not None and is_plausible(at) else None


def is_plausible(at: datetime) -> bool:
    """Whether an instant has a local date in every time zone, and is not a placeholder."""
    return 1900 < at.year < 2200
