"""One call of the API as a value, and the route that it makes.

A handler gets a `Call` with everything read and checked. It returns a value for the body, or a
`Reply` with a status of its own. A value with a `revision` gives the response its `ETag`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from aiohttp import web
from msgspec import Struct
from msgspec.structs import fields

from chesscoach.web.auth import Operator, operator_of
from chesscoach.web.operations.admin import Admin
from chesscoach.web.operations.schedule_fields import field_problem
from chesscoach.web.problems import Problem
from chesscoach.web.routes import RequestHandler, Route

PREFIX = "/api/v1"


class NoQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a call that has none."""


class Call(Struct, frozen=True, kw_only=True):
    """A request as a handler gets it: `query` and `body` are structs of the endpoint's types."""

    admin: Admin
    operator: Operator
    path: Mapping[str, str]
    query: Any
    body: Any
    revision: int | None


class Reply(Struct, frozen=True, kw_only=True):
    """A response with a status or headers of its own."""

    value: object = None
    status: int = 200
    headers: Mapping[str, str] = {}


class Endpoint(Struct, frozen=True, kw_only=True):
    """A call of the API.

    `path` follows `/api/v1`; `{id:.+}` is a parameter that may contain slashes. A call that
    `names_revision` reads `If-Match`, and needs it unless `revision_optional`. `also` are statuses
    of the handler's own besides `status` and those that follow from the other fields.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Callable[[Call], Awaitable[object]]
    summary: str
    response: Any = None
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    body_optional: bool = False
    status: int = 200
    names_revision: bool = False
    revision_optional: bool = False
    also: tuple[int, ...] = ()

    @property
    def scope(self) -> Literal["read", "admin"]:
        """Reading is for both tokens, everything else for the admin's."""
        return "read" if self.method == "GET" else "admin"

    def route(self, admin: Admin) -> Route:
        """The row of the route table."""
        return Route(
            method=self.method,
            path=f"{PREFIX}{self.path}",
            scope=self.scope,
            handler=self._handler(admin),
            kind="api",
        )

    def _handler(self, admin: Admin) -> RequestHandler:
        async def handle(request: web.Request) -> web.StreamResponse:
            call = Call(
                admin=admin,
                operator=operator_of(request),
                path=request.match_info,
                query=self._read_query(request),
                body=await self._read_body(request),
                revision=read_revision(request) if self.names_revision else None,
            )
            answer = await self.handler(call)
            if not isinstance(answer, Reply):
                answer = Reply(value=answer, status=self.status)
            return json_response(answer)

        return handle

    def _read_query(self, request: web.Request) -> Struct:
        given = {name: request.query.getall(name)[-1] for name in request.query}
        try:
            return msgspec.convert(given, self.query, strict=False)
        except msgspec.ValidationError as error:
            raise field_problem(str(error), _names(self.query)) from None

    async def _read_body(self, request: web.Request) -> Struct | None:
        if self.body is None:
            return None
        content = await request.read()
        if not content and self.body_optional:
            return self.body()
        if request.content_type != "application/json":
            raise Problem(415, "expected a body of the type application/json")
        try:
            return msgspec.json.decode(content, type=self.body)
        except msgspec.ValidationError as error:
            raise field_problem(str(error), _names(self.body)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Problem(400, "the body is not JSON") from None


def json_response(answer: Reply) -> web.Response:
    """A response with a value as JSON; NaN becomes null, and a type of the database a text."""
    headers = dict(answer.headers)
    revision = getattr(answer.value, "revision", None)
    if isinstance(revision, int):
        headers["ETag"] = f'"{revision}"'
    if answer.status == 204:
        return web.Response(status=204, headers=headers)
    return web.Response(
        body=msgspec.json.encode(answer.value, enc_hook=str),
        status=answer.status,
        content_type="application/json",
        headers=headers,
    )


def read_revision(request: web.Request) -> int | None:
    """The revision in `If-Match`, such as `"3"`; None if there is no header.

    Raises:
        Problem: the header is something else (400), such as `*`, which names no revision.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return None
    match = re.fullmatch(r'"?(\d{1,15})"?', header.strip(), re.ASCII)
    if match is None:
        raise Problem(400, 'If-Match: expected one revision in quotes, such as "3"')
    return int(match[1])


def _names(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(field.encode_name for field in fields(kind))
