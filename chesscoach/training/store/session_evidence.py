"""What players did, read in the application's collections for their training sessions.

A game was played on the day on which it ended, and is known from its import on. All else is known
when it is done. The database pre-selects by time, and Python decides what a timestamp means.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from msgspec import Struct

from chesscoach import log
from chesscoach.mongo import timestamps, values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.players.store import expressions, game_parser, pgn_headers
from chesscoach.training.sessions.completion import Evidence
from chesscoach.training.sessions.routine import Kind
from chesscoach.training.store import numbers, stages

_IDS_LOGGED = 3


class _Source(Struct, frozen=True, kw_only=True):
    """Where evidence of a kind is: its collection, timestamps, id, further fields and check.

    The second timestamp counts where the first is null.
    """

    collection: str
    timestamps: tuple[str, ...]
    ref: str
    fields: Document = {}
    counts: Callable[[Document], bool] = lambda _: True


def _is_analysed(document: Document) -> bool:
    accuracy = numbers.finite(document.get("accuracy"))
    return (
        document.get("stockfish_failed") is not True
        and accuracy is not None
        and 0 < accuracy <= stages.MAX_ACCURACY
        and document["moves"] >= stages.MIN_MOVES
    )


_SOURCES: dict[Kind, _Source] = {
    "play": _Source(
        collection="games",
        timestamps=("imported_at",),
        ref="game_id",
        fields={"platform": 1, "ended_at": 1, "head": game_parser.pgn_head()},
        counts=lambda document: document.get("platform") != "coach",
    ),
    "puzzles": _Source(
        collection="puzzle_attempts", timestamps=("created_at", "attempted_at"), ref="attempt_id"
    ),
    "analysis": _Source(
        collection="game_analyses",
        timestamps=("created_at", "analyzed_at"),
        ref="game_id",
        fields={
            "stockfish_failed": 1,
            "accuracy": "$stockfish_analysis.accuracy",
            "moves": stages.own_moves(),
        },
        counts=_is_analysed,
    ),
    "reflection": _Source(
        collection="reflection_results", timestamps=("created_at",), ref="reflection_id"
    ),
}


class SessionEvidence:
    """The application's collections of games, analyses, puzzles and reflections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, kind: Kind, user_ids: Collection[str], start: datetime, end: datetime
    ) -> list[Evidence]:
        """Evidence of a kind of some users that became known between two instants."""
        source = _SOURCES.get(kind)
        if source is None:
            return []
        users = {"user_id": {"$in": list(user_ids)}}
        field, *others = source.timestamps
        branches = expressions.between(field, users, start, end)
        for other in others:
            branches += [
                {**branch, field: None} for branch in expressions.between(other, users, start, end)
            ]
        project = dict.fromkeys(("user_id", source.ref, *source.timestamps), 1) | source.fields
        collection = MongoCollection(self._database, source.collection)
        return _to_evidence(kind, source, await collection.find({"$or": branches}, project))


def _to_evidence(kind: Kind, source: _Source, documents: list[Document]) -> list[Evidence]:
    evidence: list[Evidence] = []
    unreadable: list[str] = []
    for document in documents:
        stored = (document.get(field) for field in source.timestamps)
        known_at = timestamps.parse_instant(next((v for v in stored if v is not None), None))
        at = known_at
        if kind == "play":
            at = game_parser.ended_at(document, pgn_headers.parse_tags(document.get("head")))
        if known_at is None or at is None or not values.is_text(document.get("user_id")):
            unreadable.append(str(document["_id"])[:80])
        elif source.counts(document):
            ref = document.get(source.ref)
            evidence.append(
                Evidence(
                    user_id=document["user_id"],
                    kind=kind,
                    ref=ref if values.is_text(ref) and ref else str(document["_id"]),
                    at=at,
                    known_at=known_at,
                )
            )
    if unreadable:
        log.get_logger().warning(
            "documents_unreadable",
            collection=source.collection,
            count=len(unreadable),
            ids=unreadable[:_IDS_LOGGED],
        )
    return evidence
