"""Players' weeks, a batch at a time: their games, analyses, answers, profile and progress.

A batch is one command, however many players are in it; a loop of queries would be a dozen each.
Documents in forms that mean nothing are left out: no player's data can fail another's.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from chesscoach.emails.store import week_pipeline
from chesscoach.emails.store.week_game_parser import non_negative_int, parse_week_game
from chesscoach.emails.weekly.values import AnalysedGame, PlayedGame, PlayerWeek, Swing
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.schedules.iso_week import Week

MAX_PLAYERS = 500
_PAUSE = 500
"""After so many rows others in the loop have a turn."""


class WeekBounds(Struct, frozen=True, kw_only=True):
    """When the week before began, when the week did, and when it ended, which is not in it."""

    before: datetime
    start: datetime
    end: datetime


class _PlayerData(Struct, kw_only=True):
    """What has been read of a player so far."""

    games: dict[str, PlayedGame] = field(default_factory=dict)
    of_analyses: dict[str, PlayedGame] = field(default_factory=dict)
    analyses: list[AnalysedGame] = field(default_factory=list)
    reflections: Counter[bool] = field(default_factory=Counter)
    profile: Document | None = None
    progress: Document | None = None


class PlayerWeeks:
    """What several collections of the application tell of a week."""

    def __init__(self, database: Database) -> None:
        self._games = MongoCollection(database, "games")

    async def read(
        self, user_ids: Sequence[str], week: Week, zone: ZoneInfo
    ) -> dict[str, PlayerWeek]:
        """The week of each of at most 500 players, in a zone; also of those who did nothing.

        Raises:
            ValueError: there are more.
        """
        if len(user_ids) > MAX_PLAYERS:
            msg = f"at most {MAX_PLAYERS} players at a time"
            raise ValueError(msg)
        if not user_ids:
            return {}
        edges = WeekBounds(
            before=week.before.start_in(zone),
            start=week.start_in(zone),
            end=week.after.start_in(zone),
        )
        stages = week_pipeline.pipeline(user_ids, edges.before, edges.start, edges.end)
        # As much in a reply as fits; by itself the server begins with 101.
        rows = await self._games.aggregate(stages, batchSize=1_000_000)
        found: defaultdict[str, _PlayerData] = defaultdict(_PlayerData)
        for count, row in enumerate(rows, 1):
            user_id = row.get("user_id")
            if isinstance(user_id, str):
                _add_document(found[user_id], row, edges)
            if count % _PAUSE == 0:
                await asyncio.sleep(0)
        return {
            user_id: _to_player_week(user_id, week, found[user_id], edges) for user_id in user_ids
        }


def _add_document(found: _PlayerData, row: Document, edges: WeekBounds) -> None:
    match row["kind"]:
        case "game":
            game = parse_week_game(row)
            if game is not None and edges.start <= game.ended_at < edges.end:
                found.games[game.game_id] = game
        case "analysed":
            found.analyses += _analyses(row["analyses"])
            for game in map(parse_week_game, row["games"]):
                if game is not None:
                    found.of_analyses[game.game_id] = game
        case "reflection":
            at = timestamps.parse_instant(row.get("at"))
            if at is not None and edges.start <= at < edges.end:
                found.reflections[row["right"]] += 1
        case "profile":
            found.profile = found.profile or row
        case "progress":
            found.progress = found.progress or row


def _analyses(rows: Iterable[Document]) -> Iterable[AnalysedGame]:
    for row in rows:
        at = timestamps.parse_instant(row.get("at"))
        game_id, accuracy = row.get("game_id"), row["accuracy"]
        if at is not None and isinstance(accuracy, float):
            yield AnalysedGame(
                game_id=game_id if isinstance(game_id, str) else "",
                analysed_at=at,
                accuracy=accuracy,
                blunders=row["blunders"],
                mistakes=row["mistakes"],
                best_moves=row["best"],
                swing=_swing(row["cp_loss"], row["worst"]),
            )


def _swing(cp_loss: float | None, worst: Document) -> Swing | None:
    if not cp_loss:
        return None
    move = worst.get("move")
    return Swing(
        cp_loss=cp_loss,
        move_number=non_negative_int(worst.get("number")),
        move=move if isinstance(move, str) else "",
    )


def _to_player_week(user_id: str, week: Week, found: _PlayerData, edges: WeekBounds) -> PlayerWeek:
    games = found.of_analyses | found.games
    analyses = sorted(found.analyses, key=attrgetter("analysed_at", "game_id"))
    profile, progress = found.profile or {}, found.progress or {}
    return PlayerWeek(
        user_id=user_id,
        week=week,
        played=tuple(sorted(found.games.values(), key=attrgetter("ended_at", "game_id"))),
        analysed=tuple(
            msgspec.structs.replace(item, game=games.get(item.game_id))
            for item in analyses
            if edges.start <= item.analysed_at < edges.end
        ),
        analysed_before=tuple(
            item for item in analyses if edges.before <= item.analysed_at < edges.start
        ),
        weakness=_weakness_name(profile.get("top_weaknesses")),
        strength=_weakness_name(profile.get("strengths")),
        reflections=found.reflections.total(),
        reflections_right=found.reflections[True],
        streak=non_negative_int(progress.get("current_streak")),
        longest_streak=non_negative_int(progress.get("longest_streak")),
        points=_points(progress, week),
        level=non_negative_int(progress.get("level")),
    )


def _weakness_name(value: object) -> str | None:
    """A weakness or strength in a word: what it is a case of, or the text that it is."""
    text = value.get("subcategory") if isinstance(value, dict) else value
    return text.strip() or None if isinstance(text, str) else None


def _points(progress: Document, week: Week) -> int | None:
    """Points are kept for the week that goes on and for the one before it."""
    for key, value in (("weekly_key", "weekly_xp"), ("weekly_prev_key", "weekly_prev_xp")):
        if progress.get(key) == week.key:
            return non_negative_int(progress.get(value))
    return None
