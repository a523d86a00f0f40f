"""`/accounts` and `/sources`: link, unlink, sync now."""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.sources.game import Platform
from chesscoach.sync.account import AccountStatus
from chesscoach.sync.account_report import AccountReport
from chesscoach.web.api.endpoint import Call, Endpoint, Reply
from chesscoach.web.api.schedules import StartedRun
from chesscoach.web.operations import accounts
from chesscoach.web.views import accounts as views
from chesscoach.web.views.accounts import AccountPage, SourceView

_UserId = Annotated[str, Meta(min_length=1, max_length=500)]


class AccountQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which accounts are wanted; `cursor` is the `next` of the page before."""

    platform: Platform | None = None
    status: AccountStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    cursor: Annotated[str, Meta(max_length=1000)] | None = None


class LinkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The user who links the account; with `replace_existing` also in place of another name."""

    user_id: _UserId
    replace_existing: bool = False


class UnlinkQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The user who links the account no more."""

    user_id: _UserId


class SourceList(Struct, frozen=True, kw_only=True):
    """The sources."""

    sources: list[SourceView]


async def _list(call: Call) -> AccountPage:
    query: AccountQuery = call.query
    return await views.list_accounts(
        call.admin, query.platform, query.status, query.limit, query.cursor
    )


async def _show(call: Call) -> AccountReport:
    return await views.show_account(call.admin, call.path["key"])


async def _link(call: Call) -> Reply:
    await accounts.link(
        call.admin,
        call.operator,
        call.path["key"],
        call.body.user_id,
        replace_existing=call.body.replace_existing,
    )
    return Reply(status=204)


async def _unlink(call: Call) -> Reply:
    await accounts.unlink(call.admin, call.operator, call.path["key"], call.query.user_id)
    return Reply(status=204)


async def _sync(call: Call) -> StartedRun:
    return StartedRun(run_id=await accounts.sync_now(call.admin, call.operator, call.path["key"]))


async def _sources(call: Call) -> SourceList:
    return SourceList(sources=await views.list_sources(call.admin))


_KEY = "/accounts/{key}"

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/accounts",
        handler=_list,
        summary="Accounts at the sources, in pages",
        query=AccountQuery,
        response=AccountPage,
    ),
    Endpoint(
        method="GET",
        path=_KEY,
        handler=_show,
        summary="One account by its key, such as lichess:ann",
        response=AccountReport,
    ),
    Endpoint(
        method="PUT",
        path=_KEY,
        handler=_link,
        summary="Link a user to this name at this source",
        body=LinkRequest,
        status=204,
        also=(409,),
    ),
    Endpoint(
        method="DELETE",
        path=_KEY,
        handler=_unlink,
        summary="Remove this name from a user; the user's games stay",
        query=UnlinkQuery,
        status=204,
    ),
    Endpoint(
        method="POST",
        path=f"{_KEY}/sync",
        handler=_sync,
        summary="Start a sync of the first user who links it; 409 names a run in its way",
        response=StartedRun,
        status=202,
        also=(409,),
    ),
    Endpoint(
        method="GET",
        path="/sources",
        handler=_sources,
        summary="The sources: who holds their lanes, and their accounts by status",
        response=SourceList,
    ),
)
