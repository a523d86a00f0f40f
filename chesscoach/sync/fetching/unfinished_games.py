"""Lichess games that were unfinished when they were last seen, followed by their ids.

An export goes by a game's start, so it does not have a correspondence game that began before the
cursor and ends after it. The account keeps the id of such a game, and it is asked for until it has
ended: 300 games a request, of all players together.
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
from chesscoach.sync.fetching.facts import UnfinishedChecked

_MAX_ABSENCES = 2
"""Checks in a row in which the source did not know a game, before it counts as aborted."""

_Answers = dict[str, ExportItem | None]
"""By id: the game, or None if the source does not have it."""


class FollowUp(Struct, frozen=True):
    """An account, and what became of its unfinished games."""

    account: Account
    fact: UnfinishedChecked


async def follow_unfinished(
    lichess: Lichess, pages: AsyncIterator[list[Account]]
) -> AsyncGenerator[FollowUp]:
    """What became of the unfinished games of some accounts.

    If a request fails, its games wait for the next run, and no account fails with them.
    """
    waiting: deque[Account] = deque()
    ids: dict[str, None] = {}
    tried: set[str] = set()
    answers: _Answers = {}
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
            for follow_up in _follow_ups(waiting, tried, answers):
                yield follow_up
    if ids:
        await _ask(lichess, ids, tried, answers)
    for follow_up in _follow_ups(waiting, tried, answers):
        yield follow_up


async def _ask(lichess: Lichess, ids: dict[str, None], tried: set[str], answers: _Answers) -> None:
    """Asks about the first of the ids and removes them; the answer to an unknown id is None."""
    batch = list(ids)[:MAX_BULK_NAMES]
    for game_id in batch:
        del ids[game_id]
    tried.update(batch)
    batch_answers: _Answers = dict.fromkeys(batch)
    try:
        async with aclosing(lichess.games_by_id(batch)) as items:
            async for item in items:
                batch_answers[item.external_id] = item
    except SourceUnavailable:
        raise
    except SourceError as error:
        log.get_logger().warning("unfinished_games_not_checked", games=len(batch), error=str(error))
        complete = False
    else:
        complete = "" not in batch_answers  # a game that cannot be read and has no id may be any
    if not complete:
        batch_answers = {key: item for key, item in batch_answers.items() if item is not None}
    answers |= batch_answers


def _follow_ups(waiting: deque[Account], tried: set[str], answers: _Answers) -> Iterable[FollowUp]:
    """The foremost accounts whose games have all been asked about."""
    while waiting and all(game.external_id in tried for game in waiting[0].unfinished_games):
        yield _apply_answers(waiting.popleft(), answers)
    if not waiting:
        tried.clear()
        answers.clear()


def _apply_answers(account: Account, answers: _Answers) -> FollowUp:
    games: list[Game] = []
    unfinished: list[UnfinishedGame] = []
    unreadable: list[str] = []
    for game in account.unfinished_games:
        answer = answers.get(game.external_id, game)
        if isinstance(answer, Game):
            games.append(answer)
        elif isinstance(answer, UnfinishedGame):
            unfinished.append(replace(answer, absent=game.absent if answer is game else 0))
        elif answer is not None:
            unreadable.append(game.external_id)
            unfinished.append(game)
        elif game.absent + 1 < _MAX_ABSENCES:
            unfinished.append(replace(game, absent=game.absent + 1))
    return FollowUp(
        account,
        UnfinishedChecked(
            links=account.backfilled_links,
            games=tuple(games),
            unfinished=tuple(unfinished),
            unreadable=tuple(unreadable),
        ),
    )
