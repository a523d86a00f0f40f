"""`/emails` and `/suppressions`: what is in the outbox, and who gets no email."""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.emails.store.outbox_values import State
from chesscoach.emails.suppression import Suppression
from chesscoach.web.api.endpoint import Call, Endpoint, Reply
from chesscoach.web.operations import emails
from chesscoach.web.views import emails as views
from chesscoach.web.views.emails import EmailFilter, EmailPage, EmailView, SuppressionList

_Week = Annotated[str, Meta(pattern=r"^\d{4}-W\d{2}\Z")]


class EmailQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which emails are wanted; `cursor` is the `next` of the page before."""

    state: State | None = None
    week: _Week | None = None
    user_id: Annotated[str, Meta(max_length=500)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    cursor: Annotated[str, Meta(max_length=1000)] | None = None


class LimitQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many are wanted."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50


async def _list(call: Call) -> EmailPage:
    query: EmailQuery = call.query
    wanted = EmailFilter(state=query.state, week=query.week, user_id=query.user_id)
    return await views.list_emails(call.admin, wanted, query.limit, query.cursor)


async def _show(call: Call) -> EmailView:
    return await views.show_email(call.admin, call.path["id"])


async def _resend(call: Call) -> EmailView:
    await emails.resend(call.admin, call.operator, call.path["id"])
    return await views.show_email(call.admin, call.path["id"])


async def _suppressions(call: Call) -> SuppressionList:
    return await views.list_suppressions(call.admin, call.query.limit)


async def _suppression(call: Call) -> Suppression:
    return await views.show_suppression(call.admin, call.path["address"])


async def _suppress(call: Call) -> Suppression:
    return await emails.suppress(call.admin, call.operator, call.path["address"])


async def _unsuppress(call: Call) -> Reply:
    await emails.unsuppress(call.admin, call.operator, call.path["address"])
    return Reply(status=204)


_ADDRESS = "/suppressions/{address}"

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/emails",
        handler=_list,
        summary="Emails of the outbox, the newest week first, in pages",
        query=EmailQuery,
        response=EmailPage,
    ),
    Endpoint(
        method="POST",
        path="/emails/{id:.+}/resend",
        handler=_resend,
        summary="Make a failed, skipped or unknown email pending; an unknown one may come twice",
        response=EmailView,
        also=(409,),
    ),
    Endpoint(
        method="GET",
        path="/emails/{id:.+(?<!/resend)}",
        handler=_show,
        summary="One email, without its text",
        response=EmailView,
    ),
    Endpoint(
        method="GET",
        path="/suppressions",
        handler=_suppressions,
        summary="The newest suppressed addresses",
        query=LimitQuery,
        response=SuppressionList,
    ),
    Endpoint(
        method="GET",
        path=_ADDRESS,
        handler=_suppression,
        summary="Why and since when an address gets no email",
        response=Suppression,
    ),
    Endpoint(
        method="PUT",
        path=_ADDRESS,
        handler=_suppress,
        summary="Suppress an address: it gets no further email",
        response=Suppression,
        also=(422,),
    ),
    Endpoint(
        method="DELETE",
        path=_ADDRESS,
        handler=_unsuppress,
        summary="Let an address get email again; SendGrid keeps a list of its own",
        status=204,
    ),
)
