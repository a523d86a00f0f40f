"""Reads evidence in the application's collections, between two instants.

A timestamp is a text or a date, and Python decides what it means. The database only pre-selects:
texts in UTC by comparison, and texts of another form within a day.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from msgspec import Struct

from chesscoach import log
from chesscoach.momentum.booking.evidence import (
    AnalysedGame,
    DailyClaim,
    Evidence,
    ImportedGame,
    PuzzleAttempt,
    Reflection,
)
from chesscoach.momentum.store.evidence_documents import (
    to_analysis,
    to_claim,
    to_game,
    to_puzzle,
    to_reflection,
)
from chesscoach.mongo import timestamps, values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

T = TypeVar("T", bound=Evidence)

_WIDEST_OFFSET = timedelta(hours=15)
_IDS_LOGGED = 3
_MINUTE = "%Y-%m-%dT%H:%M"
"""How texts are compared: one without seconds sorts before or after all others of its minute."""

_OTHER_FORMS = r"^.{10} |T.*[+-](?!00)\d\d"
_FIELDS: dict[str, tuple[str, ...]] = {
    "games": ("imported_at",),
    "game_analyses": ("created_at", "analyzed_at"),
    "puzzle_attempts": ("created_at", "attempted_at"),
    "reflection_results": ("created_at",),
    "user_progress": ("last_daily_claim",),
}
"""The field with the instant of each kind of evidence, and the one that counts where it is null."""

_EVALUATIONS = "$stockfish_analysis.move_evaluations"
_ODD_INSTANTS = (*values.NEITHER_TEXT_NOR_DATE, {"$gte": ":"}, {"$lt": "0"})
"""Conditions on instants that can never be read; an index serves each."""


class Window(Struct, frozen=True, kw_only=True):
    """The instants from `after` to `until`, both included; of one user if `user_id` is set.

    `mixed` are the collections in which an instant may have another form than the usual ones, and
    `filled` those that have documents in the window.
    """

    after: datetime
    until: datetime
    user_id: str | None = None
    mixed: Collection[str] = tuple(_FIELDS)
    filled: Collection[str] = tuple(_FIELDS)

    def contains(self, at: datetime) -> bool:
        """Whether an instant is in it."""
        return self.after <= at <= self.until


class EvidenceReader:
    """The collections in which evidence is found; they are the application's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_mixed_collections(self, window: Window) -> list[str]:
        """The collections in which an instant near a window has an unusual form.

        Such texts are found by a pattern, which all texts of some days must be compared with.
        """
        first: list[Document] = [{"$limit": 1}, {"$project": {"_id": 1}}]
        queries = {name: _with_user(_of_other_forms(name, window), window) for name in _FIELDS}
        return [name for name, _ in await self._of_all(queries, first)]

    async def counts(self, window: Window, limit: int) -> dict[str, int]:
        """The number of documents in a window, by collection and up to a limit in each."""
        count: list[Document] = [{"$limit": limit}, {"$count": "documents"}]
        found = await self._of_all({name: _query(name, window) for name in _FIELDS}, count)
        return {name: document["documents"] for name, document in found}

    async def games(self, window: Window) -> list[ImportedGame]:
        """Imported games, without those against the application's coach."""
        fields = ("game_id", "auto_synced", "platform")
        return await self._read("games", window, fields, to_game)

    async def analyses(self, window: Window) -> list[AnalysedGame]:
        """Analysed games."""
        is_list = {"$isArray": _EVALUATIONS}
        blunders = {
            "$filter": {
                "input": _EVALUATIONS,
                "as": "move",
                "cond": {
                    "$and": [
                        {"$eq": ["$$move.evaluation", "blunder"]},
                        {"$ne": ["$$move.is_opponent_move", True]},
                    ]
                },
            }
        }
        fields: Document = {
            **dict.fromkeys(
                ("user_id", "game_id", "analysis_id", "stockfish_failed", "created_at"), 1
            ),
            "analyzed_at": 1,
            "accuracy": "$stockfish_analysis.accuracy",
            "moves": {"$cond": [is_list, {"$size": _EVALUATIONS}, None]},
            "blunders": {"$cond": [is_list, {"$size": blunders}, 0]},
        }
        if "game_analyses" not in window.filled:
            return []
        query = {"$match": _query("game_analyses", window)}
        documents = await self._collection("game_analyses").aggregate([query, {"$project": fields}])
        return _facts("game_analyses", documents, window, to_analysis)

    async def paid_games(self, game_ids: Collection[str]) -> set[tuple[str, str]]:
        """The users and games of an analysis that the application itself has paid for."""
        query = {"game_id": {"$in": list(game_ids)}, "analysis_id": {"$ne": None}}
        project = {"_id": 0, "user_id": 1, "game_id": 1}
        documents = await self._collection("game_analyses").find(query, project)
        return {
            (document["user_id"], document["game_id"])
            for document in documents
            if values.is_text(document.get("user_id")) and values.is_text(document["game_id"])
        }

    async def puzzles(self, window: Window) -> list[PuzzleAttempt]:
        """Attempts at puzzles."""
        fields = ("attempt_id", "success", "correct", "time_taken_ms", "time_taken_seconds")
        return await self._read("puzzle_attempts", window, fields, to_puzzle)

    async def reflections(self, window: Window) -> list[Reflection]:
        """Reflections."""
        return await self._read("reflection_results", window, ("reflection_id",), to_reflection)

    async def claims(self, window: Window) -> list[DailyClaim]:
        """Daily rewards; only a player's last one is known."""
        return await self._read("user_progress", window, (), to_claim)

    async def find_undated(self, limit: int) -> dict[str, list[Any]]:
        """The ids of documents whose instant can never be read, by collection, up to a limit."""
        queries = {name: _odd_query(name) for name in _FIELDS if name != "user_progress"}
        ids: dict[str, list[Any]] = {}
        first: list[Document] = [{"$limit": limit}, {"$project": {"_id": 1}}]
        for name, document in await self._of_all(queries, first):
            ids.setdefault(name, []).append(document["_id"])
        return ids

    async def _of_all(
        self, queries: Mapping[str, Document], stages: Sequence[Document]
    ) -> list[tuple[str, Document]]:
        """What the same stages yield of the documents of several collections, in one command."""
        (first, pipeline), *others = [
            (name, [{"$match": query}, *stages, {"$set": {"collection": name}}])
            for name, query in queries.items()
        ]
        unions = [{"$unionWith": {"coll": name, "pipeline": part}} for name, part in others]
        documents = await self._collection(first).aggregate([*pipeline, *unions])
        return [(document["collection"], document) for document in documents]

    async def _read(
        self,
        name: str,
        window: Window,
        fields: Sequence[str],
        convert: Callable[[Document, datetime], T | None],
    ) -> list[T]:
        if name not in window.filled:
            return []
        project = dict.fromkeys(("user_id", *_FIELDS[name], *fields), 1)
        documents = await self._collection(name).find(_query(name, window), project)
        return _facts(name, documents, window, convert)

    def _collection(self, name: str) -> MongoCollection:
        return MongoCollection(self._database, name)


def _facts(
    name: str,
    documents: Sequence[Document],
    window: Window,
    convert: Callable[[Document, datetime], T | None],
) -> list[T]:
    """The evidence in documents that are in the window; those that cannot be read are logged."""
    facts, unreadable = [], []
    for document in documents:
        instants = (document.get(field) for field in _FIELDS[name])
        at = timestamps.parse_instant(next((v for v in instants if v is not None), None))
        if at is None or not values.is_text(document.get("user_id")):
            unreadable.append(str(document["_id"])[:80])
        elif window.contains(at) and (fact := convert(document, at)) is not None:
            facts.append(fact)
    if unreadable:
        log.get_logger().warning(
            "documents_unreadable",
            collection=name,
            count=len(unreadable),
            ids=unreadable[:_IDS_LOGGED],
        )
    return facts


def _query(name: str, window: Window) -> Document:
    low = window.after.strftime(_MINUTE)
    high = (window.until + timedelta(minutes=1)).strftime(_MINUTE)
    dates, texts = {"$gte": window.after, "$lte": window.until}, {"$gte": low, "$lt": high}
    branches = [*_for_fields(name, dates), *_for_fields(name, texts)]
    if name in window.mixed:
        branches += _of_other_forms(name, window)
    return _with_user(branches, window)


def _of_other_forms(name: str, window: Window) -> list[Document]:
    first = (window.after - _WIDEST_OFFSET).date().isoformat()
    last = (window.until + _WIDEST_OFFSET + timedelta(days=1)).date().isoformat()
    return _for_fields(name, {"$gte": first, "$lt": last, "$regex": _OTHER_FORMS})


def _for_fields(name: str, condition: object) -> list[Document]:
    """Filters for a condition on the instant; the second field counts where the first is null."""
    field, *others = _FIELDS[name]
    return [{field: condition}, *({field: None, other: condition} for other in others)]


def _with_user(branches: Sequence[Document], window: Window) -> Document:
    user = {"user_id": window.user_id} if window.user_id is not None else {}
    return {"$or": list(branches), **user}


def _odd_query(name: str) -> Document:
    """The documents whose instant is of no form that there is."""
    branches = [branch for odd in _ODD_INSTANTS for branch in _for_fields(name, odd)]
    return {"$or": [*branches, dict.fromkeys(_FIELDS[name])]}
