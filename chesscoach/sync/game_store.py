"""Storing an account's games for its users."""

from datetime import datetime

from chesscoach import log
from chesscoach.sources.game import plain_id
from chesscoach.sync import game_identity
from chesscoach.sync.account import Account
from chesscoach.sync.account_check import CheckStep
from chesscoach.sync.context import SyncContext
from chesscoach.sync.facts import GamesFetched
from chesscoach.sync.store.games import UserGame
from chesscoach.worker.job import Run

WRITE_BATCH_SIZE = 500
"""Games in one write; also how many of a long stream are held in memory."""


class GameStore:
    """Stores games and counts what is unusual about them."""

    def __init__(self, ctx: SyncContext, run: Run) -> None:
        self._ctx = ctx
        self._run = run

    async def store(self, step: CheckStep, at: datetime) -> list[UserGame]:
        """Stores the games of a step; returns those that may be queued for analysis.

        These are the new ones, those whose moves came only now, and those that an interrupted run
        stored without saving the account.
        """
        account, fact = step.account, step.fact
        if not isinstance(fact, GamesFetched):
            return []
        self._count_unusual(account, fact)
        if not (fact.games and fact.links):
            return []
        user_games = await self._user_games(account, fact)
        stored = await self._ctx.games.insert_new(user_games, at)
        self._run.counts.note("games_stored", len(stored.new))
        saved_at = account.saved_at or account.created_at
        interrupted = {game_id for game_id, known_at in stored.known.items() if known_at > saved_at}
        unsaved = [game for game in user_games if game.game_id in interrupted]
        return [*stored.new, *stored.completed, *unsaved]

    async def _user_games(self, account: Account, fact: GamesFetched) -> list[UserGame]:
        """Each game as a document of each user who played it and still exists."""
        present = await self._ctx.users.with_accounts({link.user_id for link in fact.links})
        links = [link for link in fact.links if link.user_id in present]
        moves = self._ctx.settings.analysis_moves
        user_games = []
        for game in fact.games:
            colour = game_identity.colour_of(game, account)
            if colour is None:
                self._run.counts.note("games_not_owned")
                log.get_logger().warning(
                    "game_not_owned", account=account.key, game=plain_id(game.external_id)
                )
                continue
            user_games += [
                UserGame(
                    game_id=game_identity.game_id(game, link.user_id),
                    user_id=link.user_id,
                    username=link.name,
                    colour=colour,
                    game=game,
                    analysable=game_identity.is_worth_analysing(game, moves),
                )
                for link in links
                if link.oldest_game_at is None or game.ended_at >= link.oldest_game_at
            ]
        return user_games

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
