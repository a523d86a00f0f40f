import pytest
from pymongo import WriteConcern, errors

from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, DuplicateDocument, StoreFailed, StoreUnavailable
from chesscoach.mongo.errors import translate, translates_errors
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.store.account_documents import AccountState
from chesscoach.sync.store.accounts import Accounts
from chesscoach.sync.store.analysis_queue import AnalysisQueue
from chesscoach.sync.store.game_documents import UserGame
from chesscoach.sync.store.games import Games
from tests.conftest import NOON
from tests.support.user_games import make_game

QUOTED = "mongodb://u:hunter2@db.example refused {'pgn': '1. e4'}"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ServerSelectionTimeoutError(QUOTED), StoreUnavailable),
        (errors.AutoReconnect(QUOTED), StoreUnavailable),
        (errors.NotPrimaryError(QUOTED), StoreUnavailable),
        (errors.NetworkTimeout(QUOTED), StoreUnavailable),
        (errors.ConnectionFailure(QUOTED), StoreUnavailable),
        (errors.WaitQueueTimeoutError(QUOTED), StoreUnavailable),
        (errors.ExecutionTimeout(QUOTED, 50), StoreUnavailable),
        (errors.WTimeoutError(QUOTED, 64), StoreUnavailable),
        (errors.OperationFailure(QUOTED, 13), StoreFailed),
        (errors.DuplicateKeyError(QUOTED, 11000), DuplicateDocument),
        (errors.BulkWriteError({"writeErrors": [{"errmsg": QUOTED}]}), StoreFailed),
        (errors.InvalidOperation(QUOTED), StoreFailed),
    ],
)
def test_an_error_of_the_driver_becomes_ours_without_its_text(
    error: errors.PyMongoError, kind: type[ChesscoachError]
) -> None:
    ours = translate(error)
    assert type(ours) is kind
    assert type(error).__name__ in str(ours)
    assert not any(word in str(ours) for word in ("hunter2", "pgn", "db.example"))
    if isinstance(error, errors.OperationFailure) and issubclass(kind, StoreFailed):
        assert f"code {error.code}" in str(ours)


async def test_a_decorated_method_raises_our_errors_and_passes_others_on(ctx: Context) -> None:
    @translates_errors
    async def refused() -> None:
        await ctx.mongo.database.command("noSuchCommand", "planted")

    @translates_errors
    async def broken() -> None:
        raise LookupError("not the driver's")

    @translates_errors
    async def answered() -> int:
        return 7

    with pytest.raises(StoreFailed, match="code 59") as caught:
        await refused()
    assert isinstance(caught.value.__cause__, errors.OperationFailure)
    assert "planted" not in str(caught.value)
    with pytest.raises(LookupError):
        await broken()
    assert await answered() == 7


@pytest.mark.parametrize("what", ["accounts.ensure", "accounts.save", "queue.add", "games.add"])
async def test_a_write_without_a_majority_does_not_succeed(ctx: Context, what: str) -> None:
    """Two members must acknowledge and there is only one: the write is applied and fails."""
    link = AccountLink(user_id="ann", name="Ann")
    account = Account(
        key="lichess:ann", platform="lichess", name="ann", links=(link,), created_at=NOON
    )
    game = UserGame(game_id="g", user_id="ann", username="Ann", colour="white", game=make_game())
    if what == "accounts.save":
        await ctx.sync.accounts.ensure([account], [], [], NOON)
    unsafe = ctx.mongo.database.with_options(write_concern=WriteConcern(w=2, wtimeout=200))
    with pytest.raises((StoreFailed, StoreUnavailable)):
        match what:
            case "accounts.ensure":
                await Accounts(unsafe).ensure([account], [], [], NOON)
            case "accounts.save":
                await Accounts(unsafe).save([AccountState(account=account)], 1)
            case "queue.add":
                await AnalysisQueue(unsafe).add({"q": game}, NOON)
            case "games.add":
                await Games(unsafe).insert_new([game], NOON)
