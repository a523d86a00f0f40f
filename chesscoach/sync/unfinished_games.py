"""Lichess games that were unfinished when they were last seen, followed by their ids.

An export goes by a game's start, so a correspondence game that began before the cursor and ends
after it is in none. It is therefore kept in its account and asked for again until it has ended:
300 games a request, whoever's they are.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing

from msgspec import Struct
from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import SourceError, SourceUnavailable
from chesscoach.sources.game import Game, UnfinishedGame
from chesscoach.sources.lichess import MAX_BULK_NAMES, Lichess
from chesscoach.sources.lichess_payload import ExportItem
from chesscoach.sync.account import Account

_MAX_ABSENCES = 2
"""A game that the site did not know so often in a row was aborted and deleted."""

_MAX_UNFINISHED_GAMES = 1000
"""Unfinished games of one account that are followed; nobody plays so many."""


class FollowUp(Struct, frozen=True):
    """An account with its games that go on, those that have ended, how many cannot be read."""

    account: Account
    games: tuple[Game, ...]
    unreadable: int


def with_unfinished(account: Account, unfinished: Iterable[UnfinishedGame]) -> Account:
    """The account with these games pending as well."""
    pending = {game.external_id: game for game in (*account.unfinished_games, *unfinished)}
    return replace(account, unfinished_games=tuple(pending.values())[:_MAX_UNFINISHED_GAMES])


async def follow_unfinished(
    lichess: Lichess, pages: AsyncIterator[list[Account]]
) -> AsyncGenerator[FollowUp]:
    """How the unfinished games of some accounts stand now.

    If a request fails, its games wait for the next run and nobody fails with them.
    """
    waiting: deque[Account] = deque()
    ids: dict[str, None] = {}
    tried: set[str] = set()
    answers: dict[str, ExportItem | None] = {}
    async for page in pages:
        for account in page:
            waiting.append(account)
            ids |= dict.fromkeys(
                game.external_id
                for game in account.unfinished_games
                if game.external_id not in tried
            )
            while len(ids) >= MAX_BULK_NAMES:
                await _ask(lichess, ids, tried, answers)
            for settled in _follow_ups(waiting, tried, answers):
                yield settled
    if ids:
        await _ask(lichess, ids, tried, answers)
    for settled in _follow_ups(waiting, tried, answers):
        yield settled


async def _ask(
    lichess: Lichess, ids: dict[str, None], tried: set[str], answers: dict[str, ExportItem | None]
) -> None:
    """Asks about the first of the ids and takes them out; an id without a game answers None."""
    batch = list(ids)[:MAX_BULK_NAMES]
    for each in batch:
        del ids[each]
    tried.update(batch)
    found: dict[str, ExportItem | None] = dict.fromkeys(batch)
    try:
        async with aclosing(lichess.games_by_id(batch)) as lines:
            async for line in lines:
                found[line.external_id] = line
    except SourceUnavailable:
        raise
    except SourceError as error:
        log.get_logger().warning("unfinished_games_not_checked", games=len(batch), error=str(error))
        found = {each: line for each, line in found.items() if line is not None}
    answers |= found


def _follow_ups(
    waiting: deque[Account], tried: set[str], answers: dict[str, ExportItem | None]
) -> Iterable[FollowUp]:
    """The foremost accounts whose games have all been asked about."""
    while waiting and all(game.external_id in tried for game in waiting[0].unfinished_games):
        yield _apply_answers(waiting.popleft(), answers)
    if not waiting:
        tried.clear()
        answers.clear()


def _apply_answers(account: Account, answers: dict[str, ExportItem | None]) -> FollowUp:
    games: list[Game] = []
    pending: list[UnfinishedGame] = []
    unreadable = 0
    for game in account.unfinished_games:
        line = answers.get(game.external_id, game)
        if isinstance(line, Game):
            games.append(line)
        elif isinstance(line, UnfinishedGame):
            pending.append(replace(line, absent=game.absent if line is game else 0))
        elif line is not None:
            unreadable += 1
            pending.append(game)
        elif game.absent + 1 < _MAX_ABSENCES:
            pending.append(replace(game, absent=game.absent + 1))
    return FollowUp(replace(account, unfinished_games=tuple(pending)), tuple(games), unreadable)
