"""Problems: why a request is refused, as RFC 9457 documents and as pages.

Operations raise them; the middleware answers with them, in the form that suits the route. The
`id` of a problem is in the log, too, with what a stranger should not see.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

import msgspec
from msgspec import Struct

CONTENT_TYPE = "application/problem+json"


class FieldError(Struct, frozen=True, kw_only=True):
    """A field of the request that cannot be used, and why."""

    field: str
    detail: str


class ProblemDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a refusal, as in RFC 9457.

    `errors` names fields. `current` is the revision that a changed document has now, and `changes`
    what was done to it since the revision that the request named.
    """

    status: int
    title: str
    detail: str
    id: str
    type: Literal["about:blank"]
    errors: tuple[FieldError, ...] = ()
    current: int | None = None
    changes: tuple[dict[str, Any], ...] = ()


class Problem(Exception):
    """A request is refused; `detail` is a sentence for people, without secrets."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        current: int | None = None,
        changes: tuple[dict[str, Any], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.current = current
        self.changes = changes
        self.headers = dict(headers or {})
        self.id = uuid4().hex

    @property
    def title(self) -> str:
        """The phrase of the status."""
        return HTTPStatus(self.status).phrase

    @property
    def document(self) -> ProblemDocument:
        """The body of the response."""
        return ProblemDocument(
            status=self.status,
            title=self.title,
            detail=self.detail,
            id=self.id,
            type="about:blank",
            errors=self.errors,
            current=self.current,
            changes=self.changes,
        )

    def encode(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document, enc_hook=str)


def not_found(what: str) -> Problem:
    """The object that a request names does not exist."""
    return Problem(404, f"{what} does not exist")


def invalid(field: str, detail: str) -> Problem:
    """One field of the request cannot be used."""
    return Problem(422, f"{field}: {detail}", errors=(FieldError(field=field, detail=detail),))
