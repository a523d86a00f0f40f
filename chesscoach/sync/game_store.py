"""Storing an account's games for its users."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from chesscoach import log
from chesscoach.sources.game import Colour, Game, plain_id
from chesscoach.sync import analysis_criteria, game_identity
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching.account_check import CheckStep
from chesscoach.sync.fetching.facts import GamesFetched
from chesscoach.sync.new_games import NewGames, add_counts, count_by_user
from chesscoach.sync.store.game_documents import UserGame
from chesscoach.sync.store.games import IMPORT_STEP
from chesscoach.worker.job import Run

WRITE_BATCH_SIZE = 1_000
"""Games in one write; also how many of a long stream are held in memory."""


def import_span(games: int) -> timedelta:
    """How far apart the `imported_at` of the first and the last of some games can be.

    A batch has at most twice as many documents as games in a write.
    """
    return 2 * (games + WRITE_BATCH_SIZE) * IMPORT_STEP


class StoredGames(Struct, frozen=True, kw_only=True):
    """What became of a step's games: those that may be queued, and each user's new ones.

    Besides new games, those may be queued whose moves came only now.
    """

    candidates: list[UserGame] = []
    new_games: dict[str, NewGames] = {}


class GameStore:
    """Stores games and counts what is unusual about them."""

    def __init__(self, ctx: SyncContext, run: Run) -> None:
        self._ctx = ctx
        self._run = run

    async def store(self, step: CheckStep, at: datetime) -> StoredGames:
        """Stores the games of a step.

        What an interrupted run stored without saving the account counts as new.
        """
        account, fact = step.account, step.fact
        if not isinstance(fact, GamesFetched):
            return StoredGames()
        self._count_unusual(account, fact)
        if not (fact.games and fact.links):
            return StoredGames()
        present = await self._ctx.users.with_accounts({link.user_id for link in fact.links})
        links = [link for link in fact.links if link.user_id in present]
        saved_at = account.saved_at or account.created_at
        candidates: list[UserGame] = []
        new_games: dict[str, NewGames] = {}
        for place, batch in self._batches(account, fact.games, links):
            stored = await self._ctx.games.insert_new(batch, at + place * IMPORT_STEP)
            self._run.counts.note("games_stored", len(stored.new))
            known = stored.known.items()
            interrupted = {game_id for game_id, known_at in known if known_at > saved_at}
            unsaved = [game for game in batch if game.game_id in interrupted]
            new = [*stored.new, *unsaved]
            candidates += self._games_to_queue([*new, *stored.completed])
            counts = count_by_user(new, first_sync=fact.first_sync)
            new_games = add_counts(new_games, counts)
        return StoredGames(candidates=candidates, new_games=new_games)

    def _games_to_queue(self, games: Iterable[UserGame]) -> list[UserGame]:
        """Each user's newest games that are worth an analysis, as many as may be queued in a day.

        Without this bound, memory would grow with the users of an account.
        """
        settings = self._ctx.settings
        limit = settings.analyses_first_sync + settings.analyses_per_day
        by_user: dict[str, list[UserGame]] = defaultdict(list)
        for item in games:
            if item.analysable:
                by_user[item.user_id].append(item)
        return [
            item
            for of_user in by_user.values()
            for item in heapq.nlargest(limit, of_user, key=lambda item: item.game.ended_at)
        ]

    def _batches(
        self, account: Account, games: Sequence[Game], links: Sequence[AccountLink]
    ) -> Iterator[tuple[int, list[UserGame]]]:
        """The documents of the games for the users of some links, the games in order of their ends.

        A batch has few documents, however many users link the account. The number before it says
        which place its first document has within `import_span`: a user's later games come after it.
        """
        played = [
            (game, colour)
            for game in sorted(games, key=lambda game: game.ended_at)
            if (colour := self._colour(account, game)) is not None
        ]
        for start in range(0, len(played), WRITE_BATCH_SIZE):
            batch: list[UserGame] = []
            for link in links:
                batch += self._user_games(played[start : start + WRITE_BATCH_SIZE], link)
                if len(batch) >= WRITE_BATCH_SIZE:
                    yield 2 * start, batch
                    batch = []
            if batch:
                yield 2 * start, batch

    def _user_games(
        self, played: Sequence[tuple[Game, Colour]], link: AccountLink
    ) -> Iterator[UserGame]:
        moves, floor = self._ctx.settings.analysis_moves, link.oldest_game_at
        for game, colour in played:
            if floor is None or game.ended_at >= floor:
                yield UserGame(
                    game_id=game_identity.game_id(game, link.user_id),
                    user_id=link.user_id,
                    username=link.name,
                    colour=colour,
                    game=game,
                    analysable=analysis_criteria.is_worth_analysing(game, moves),
                )

    def _colour(self, account: Account, game: Game) -> Colour | None:
        """The account's side; None, counted and logged, if it did not play the game."""
        colour = game_identity.colour_of(game, account)
        if colour is None:
            self._run.counts.note("games_not_owned")
            log.get_logger().warning(
                "game_not_owned", account=account.key, game=plain_id(game.external_id)
            )
        return colour

    def _count_unusual(self, account: Account, fact: GamesFetched) -> None:
        """Unknown words of a source are stored as they came, and counted."""
        for game_id in fact.unreadable:
            self._run.counts.note("unreadable_games")
            log.get_logger().warning("game_unreadable", account=account.key, game=game_id)
        for game in fact.games if fact.links else ():
            for field in game.unknown:
                self._run.counts.note("unknown_values")
                self._ctx.metrics.unknown_values.labels(account.platform, field).inc()
                log.get_logger().info(
                    "unknown_value",
                    account=account.key,
                    game=plain_id(game.external_id),
                    field=field,
                )
