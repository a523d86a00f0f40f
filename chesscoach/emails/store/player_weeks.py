"""Players' weeks, a batch at a time: their games, analyses, answers, profile and progress.

One command reads a batch; a loop would take a dozen queries for each player. Malformed documents
are ignored, so that the data of one player cannot fail another's email.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from chesscoach.emails.store import week_pipeline
from chesscoach.emails.weekly.values import AnalysedGame, PlayerWeek, Swing
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text
from chesscoach.players.game import PlayedGame
from chesscoach.players.store.game_parser import non_negative_int, parse_game
from chesscoach.schedules.iso_week import Week

MAX_PLAYERS = 500
_DAY_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_YIELD_INTERVAL = 500
"""Documents after which other tasks of the loop get a turn."""


class WeekBounds(Struct, frozen=True, kw_only=True):
    """The start of the week before, the start of the week, and its exclusive end."""

    before: datetime
    start: datetime
    end: datetime


class _PlayerData(Struct, kw_only=True):
    """The documents of a player that have been read so far."""

    games: dict[str, PlayedGame] = field(default_factory=dict)
    of_analyses: dict[str, PlayedGame] = field(default_factory=dict)
    analyses: list[AnalysedGame] = field(default_factory=list)
    reflections: Counter[bool] = field(default_factory=Counter)
    profile: Document | None = None
    progress: Document | None = None


class PlayerWeeks:
    """Reads the weeks of players from several collections of the application."""

    def __init__(self, database: Database) -> None:
        self._games = MongoCollection(database, "games")

    async def read(
        self, user_ids: Sequence[str], week: Week, zone: ZoneInfo
    ) -> dict[str, PlayerWeek]:
        """Read the week of each of at most 500 players, in a zone; it may be empty.

        Raises:
            ValueError: there are more players.
        """
        if len(user_ids) > MAX_PLAYERS:
            msg = f"at most {MAX_PLAYERS} players at a time"
            raise ValueError(msg)
        if not user_ids:
            return {}
        bounds = WeekBounds(
            before=week.before.start_in(zone),
            start=week.start_in(zone),
            end=week.after.start_in(zone),
        )
        stages = week_pipeline.pipeline(user_ids, bounds.before, bounds.start, bounds.end)
        # As many documents in a response as fit; the default of the first one is 101.
        documents = await self._games.aggregate(stages, batchSize=1_000_000)
        players: defaultdict[str, _PlayerData] = defaultdict(_PlayerData)
        for count, document in enumerate(documents, 1):
            user_id = document.get("user_id")
            if is_text(user_id):
                _add_document(players[user_id], document, bounds)
            if count % _YIELD_INTERVAL == 0:
                await asyncio.sleep(0)
        return {
            user_id: _to_player_week(user_id, week, players[user_id], bounds)
            for user_id in user_ids
        }


def _add_document(player: _PlayerData, document: Document, bounds: WeekBounds) -> None:
    match document["kind"]:
        case "game":
            game = parse_game(document)
            if game is not None and bounds.start <= game.ended_at < bounds.end:
                player.games[game.game_id] = game
        case "analysed":
            player.analyses += _analyses(document["analyses"])
            for game in map(parse_game, document["games"]):
                if game is not None:
                    player.of_analyses[game.game_id] = game
        case "reflection":
            at = timestamps.parse_instant(document.get("at"))
            if at is not None and bounds.start <= at < bounds.end:
                player.reflections[document["right"]] += 1
        case "profile":
            player.profile = player.profile or document
        case "progress":
            player.progress = player.progress or document


def _analyses(analyses: Iterable[Document]) -> Iterable[AnalysedGame]:
    for analysis in analyses:
        at = timestamps.parse_instant(analysis.get("at"))
        game_id, accuracy = analysis.get("game_id"), analysis["accuracy"]
        if at is not None and isinstance(accuracy, float):
            yield AnalysedGame(
                game_id=game_id if is_text(game_id) else "",
                analysed_at=at,
                accuracy=accuracy,
                blunders=analysis["blunders"],
                mistakes=analysis["mistakes"],
                best_moves=analysis["best"],
                swing=_swing(analysis["cp_loss"], analysis["worst"]),
            )


def _swing(cp_loss: float | None, worst: Document) -> Swing | None:
    if not cp_loss:
        return None
    move = worst.get("move")
    return Swing(
        cp_loss=cp_loss,
        move_number=non_negative_int(worst.get("number")),
        move=move if is_text(move) else "",
    )


def _to_player_week(
    user_id: str, week: Week, player: _PlayerData, bounds: WeekBounds
) -> PlayerWeek:
    games = player.of_analyses | player.games
    analyses = sorted(player.analyses, key=attrgetter("analysed_at", "game_id"))
    profile, progress = player.profile or {}, player.progress or {}
    return PlayerWeek(
        user_id=user_id,
        week=week,
        played=tuple(sorted(player.games.values(), key=attrgetter("ended_at", "game_id"))),
        analysed=tuple(
            msgspec.structs.replace(item, game=games.get(item.game_id))
            for item in analyses
            if bounds.start <= item.analysed_at < bounds.end
        ),
        analysed_before=tuple(
            item for item in analyses if bounds.before <= item.analysed_at < bounds.start
        ),
        weakness=_weakness_name(profile.get("top_weaknesses")),
        strength=_weakness_name(profile.get("strengths")),
        reflections=player.reflections.total(),
        reflections_right=player.reflections[True],
        streak=non_negative_int(progress.get("current_streak")),
        last_activity=_activity_time(progress.get("last_activity_date")),
        longest_streak=non_negative_int(progress.get("longest_streak")),
        points=_points(progress, week),
        level=non_negative_int(progress.get("level")),
    )


def _activity_time(value: object) -> datetime | None:
    """The instant of a player's last activity; noon in UTC if only the day is stored."""
    if isinstance(value, str) and _DAY_PATTERN.fullmatch(value.strip()):
        value = f"{value.strip()}T12:00:00Z"
    return timestamps.parse_instant(value)


def _weakness_name(value: object) -> str | None:
    """The name of a weakness or strength: its subcategory, or the text itself."""
    text = value.get("subcategory") if isinstance(value, dict) else value
    return text.strip() or None if is_text(text) else None


def _points(progress: Document, week: Week) -> int | None:
    """The points of a week: progress has those of this week and of the last one with points."""
    for key, value in (("weekly_key", "weekly_xp"), ("weekly_prev_key", "weekly_prev_xp")):
        if progress.get(key) == week.key:
            return non_negative_int(progress.get(value))
        if is_text(progress.get(key)) and progress[key] < week.key:
            return 0 if key == "weekly_prev_key" else None
    return None
