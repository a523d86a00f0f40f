"""Reads the situations of a batch of players, for their recommendations."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text
from chesscoach.players.store import pgn_headers
from chesscoach.players.store.game_parser import game_of
from chesscoach.training import days
from chesscoach.training.activity import Activity
from chesscoach.training.player import Player
from chesscoach.training.recommendations.rules import GAME_DAYS, SPAN_DAYS
from chesscoach.training.recommendations.situation import RecentGame, Situation, Weakness
from chesscoach.training.store import numbers, situation_stages
from chesscoach.training.store.activity import ActivityReader, Span, is_plausible

_SPAN = Span(days=SPAN_DAYS - 1, detailed_days=0, quizzes=1)
_TIME_WORDS = ("timeout", "outoftime", "time forfeit")
_YIELD_INTERVAL = 500


class SituationReader:
    """The collections from which recommendations follow; most are the application's."""

    def __init__(self, database: Database) -> None:
        self._activity = ActivityReader(database)
        self._analyses = MongoCollection(database, "game_analyses")

    async def read(self, players: Sequence[Player], now: datetime) -> dict[str, Situation]:
        """The situation of each player, by user."""
        activities = await self._activity.read(players, _SPAN)
        users = {"user_id": {"$in": [player.user_id for player in players]}}
        starts = [days.start_of(days.first_of(GAME_DAYS, p.today), p.zone) for p in players]
        pipeline = situation_stages.pipeline(users, min(starts, default=now), now)
        documents = await self._analyses.aggregate(pipeline, batchSize=1_000_000)
        by_user: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            if is_text(user_id := document.get("user_id")):
                by_user[user_id].append(document)
        analysed = await self._analysed(documents)
        situations = {}
        for count, player in enumerate(players, 1):
            own = by_user[player.user_id]
            activity = activities[player.user_id]
            builder = _SituationBuilder(player, activity, analysed, now)
            situations[player.user_id] = builder.build(own)
            if count % _YIELD_INTERVAL == 0:
                await asyncio.sleep(0)
        return situations

    async def low_analyses(self, since: datetime) -> dict[str, datetime]:
        """The newest analysis with a low accuracy since an instant, of each user with one."""
        groups = await self._analyses.aggregate(situation_stages.low_accuracy(since))
        newest: dict[str, datetime] = {}
        for group in groups:
            at = timestamps.parse_instant(group["at"])
            if is_text(user_id := group["_id"].get("user_id")) and at is not None and at >= since:
                newest[user_id] = max(at, newest.get(user_id, at))
        return newest

    async def analyses(self, players: Sequence[Player]) -> dict[str, Activity]:
        """The analyses of the days that a review looks at, by user."""
        return await self._activity.analyses(players, _SPAN.days)

    async def _analysed(self, documents: Iterable[Document]) -> set[tuple[str, str]]:
        """The users and games with an analysis, among the games that may have none."""
        ids = [
            game_id
            for document in documents
            if document["kind"] == "unanalysed"
            for game_id in document["games"]
            if is_text(game_id)
        ]
        if not ids:
            return set()
        found = await self._analyses.find(
            {"game_id": {"$in": ids}}, {"_id": 0, "user_id": 1, "game_id": 1}
        )
        return {
            (document["user_id"], document["game_id"])
            for document in found
            if is_text(document.get("user_id")) and is_text(document["game_id"])
        }


class _SituationBuilder:
    """Adds the documents of one player to a situation, each by its kind."""

    def __init__(
        self, player: Player, activity: Activity, analysed: set[tuple[str, str]], now: datetime
    ) -> None:
        self._player, self._analysed, self._now = player, analysed, now
        self._lasts: list[datetime] = []
        self._weakness_games: dict[str, list[str]] = {}
        self._situation = Situation(today=player.today, activity=activity)

    def build(self, documents: Iterable[Document]) -> Situation:
        """The situation of all documents of the player."""
        for document in documents:
            getattr(self, f"_add_{document['kind']}")(document)
        situation = self._situation
        if lasts := [at for at in self._lasts if at <= self._now]:
            situation.last_activity = days.local_day(max(lasts), self._player.zone)
        situation.games.sort(key=lambda item: item.game.ended_at, reverse=True)
        situation.weaknesses = [
            replace(item, game_ids=tuple(self._weakness_games.get(item.name, ())))
            for item in situation.weaknesses
        ]
        return situation

    def _add_last(self, document: Document) -> None:
        self._situation.has_started = True
        at = timestamps.parse_instant(document["at"])
        if at is not None and is_plausible(at):
            self._lasts.append(at)

    def _add_recent_game(self, document: Document) -> None:
        if (game := _recent_game(self._player, document)) is not None:
            self._situation.games.append(game)

    def _add_unanalysed(self, document: Document) -> None:
        waiting = (
            game
            for game in document["games"]
            if is_text(game) and (self._player.user_id, game) not in self._analysed
        )
        self._situation.unanalysed = next(waiting, None)

    def _add_unsolved(self, document: Document) -> None:
        self._situation.unsolved = str(document["puzzle"])

    def _add_weakness_games(self, document: Document) -> None:
        """Adds a game to each weakness that its analysis names, as a text or a subcategory."""
        game_id = document.get("game_id")
        for item in document["names"]:
            name = item.get("subcategory") if isinstance(item, dict) else item
            if is_text(name) and is_text(game_id):
                games = self._weakness_games.setdefault(name, [])
                if game_id not in games:
                    games.append(game_id)

    def _add_profile(self, document: Document) -> None:
        for item in document["weaknesses"]:
            if isinstance(item, dict) and (weakness := _weakness(item, self._player)) is not None:
                self._situation.weaknesses.append(weakness)
            else:
                self._situation.activity.unreadable.add("player_profiles")

    def _add_card(self, document: Document) -> None:
        due = timestamps.parse_instant(document.get("next_review"))
        if due is not None and due <= self._now:
            key = document.get("card_id")
            self._situation.due_cards.append(key if is_text(key) else str(document["_id"]))


def _recent_game(player: Player, document: Document) -> RecentGame | None:
    tags = pgn_headers.parse_tags(document.get("head"))
    game = game_of(document, tags)
    if game is None or not is_plausible(game.ended_at):
        return None
    opening = document.get("opening")
    opening = opening.strip() if is_text(opening) else ""
    endings = (document.get("ending"), document.get("termination"), document.get("result"))
    words = [word.lower() for word in endings if is_text(word)] + [tags.get("termination", "")]
    return RecentGame(
        game=game,
        day=days.local_day(game.ended_at, player.zone),
        opening=opening or tags.get("opening", "") or tags.get("eco", ""),
        ended_on_time=any(
            word.lower() in _TIME_WORDS or word.lower().endswith("on time") for word in words
        ),
    )


def _weakness(item: Document, player: Player) -> Weakness | None:
    name, category = item.get("subcategory"), item.get("category")
    occurrences = numbers.finite(item.get("occurrence_count"))
    at = timestamps.parse_instant(item.get("last_occurrence"))
    if not is_text(name) or not name or occurrences is None or at is None:
        return None
    if not is_plausible(at):
        return None
    return Weakness(
        name=name,
        category=category if is_text(category) else "",
        occurrences=occurrences,
        last_seen=days.local_day(at, player.zone),
    )
