"""The OpenAPI 3.1 document, made from the endpoints and their types."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chesscoach import __version__
from chesscoach.web.api.endpoint import PREFIX, Endpoint, NoQuery
from chesscoach.web.problems import CONTENT_TYPE, ProblemDocument

_REF = "#/components/schemas/{name}"
_UNPARSED = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_DESCRIPTIONS = {
    200: "As asked.",
    201: "It is created.",
    202: "It has begun.",
    204: "It is done; there is no body.",
    400: "The request cannot be read.",
    401: "A token is needed, or the given one is wrong.",
    403: "The token may not do this, or the request comes from a foreign page or Host.",
    404: "There is no such thing.",
    409: "The state of things does not allow it; the detail says why.",
    412: "It has changed since the revision in If-Match; changes says what was done.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not application/json.",
    422: "A field cannot be used; errors names it.",
    428: "If-Match with the revision that was seen is needed.",
    503: "The database does not answer; try again in a moment.",
}


def openapi_document(endpoints: Sequence[Endpoint], base_path: str) -> dict[str, Any]:
    """The document of these endpoints, as a JSON value."""
    types = [ProblemDocument, *dict.fromkeys(_types(endpoints))]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = f"{PREFIX}{_plain_path(endpoint)}"
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "chesscoach admin API",
            "version": __version__,
            "description": "What an operator can see and do. Dates are RFC 3339 in UTC.",
        },
        "servers": [{"url": base_path or "/"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    portable: dict[str, Any] = _with_portable_patterns(document)
    return portable


def _types(endpoints: Sequence[Endpoint]) -> Iterator[Any]:
    for endpoint in endpoints:
        yield from filter(None, (endpoint.response, endpoint.body))


def _plain_path(endpoint: Endpoint) -> str:
    """The path with its parameters' names alone."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", endpoint.path)


def _operation(endpoint: Endpoint, schema_of: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": "_".join(
            [endpoint.method.lower(), *re.findall(r"\w+", _plain_path(endpoint))]
        ),
        "summary": endpoint.summary,
        "parameters": list(_parameters(endpoint)),
        "responses": {
            str(status): _response(endpoint, status, schema_of) for status in _statuses(endpoint)
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": schema_of[endpoint.body]}},
        }
    return operation


def _parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", _plain_path(endpoint)):
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if endpoint.query is not NoQuery:
        (_, components) = msgspec.json.schema_components([endpoint.query], ref_template=_REF)
        query = components[endpoint.query.__name__]
        for name, schema in query["properties"].items():
            required = name in query.get("required", [])
            yield {"name": name, "in": "query", "required": required, "schema": schema}
    if endpoint.names_revision:
        yield {
            "name": "If-Match",
            "in": "header",
            "required": not endpoint.revision_optional,
            "description": 'The revision that was seen, such as "3": the ETag of the document.',
            "schema": {"type": "string", "pattern": r'^"[0-9]{1,15}"$'},
        }


def _statuses(endpoint: Endpoint) -> list[int]:
    """The statuses that a request can get."""
    statuses = {endpoint.status, *endpoint.also, 400, 401, 403, 422, 503}
    if "{" in endpoint.path:
        statuses.add(404)
    if endpoint.body is not None:
        statuses |= {413, 415}
    if endpoint.names_revision:
        statuses |= {412} if endpoint.revision_optional else {412, 428}
    return sorted(statuses)


def _response(endpoint: Endpoint, status: int, schema_of: dict[Any, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _DESCRIPTIONS[status]}
    if status >= 400:
        response["content"] = {CONTENT_TYPE: {"schema": schema_of[ProblemDocument]}}
        if status == 400:  # what aiohttp cannot parse never comes to a handler
            response["content"]["application/json"] = {"schema": _UNPARSED}
    elif endpoint.response is not None:
        response["content"] = {"application/json": {"schema": schema_of[endpoint.response]}}
    return response


def _with_portable_patterns(value: Any) -> Any:
    """A schema whose patterns end as in ECMA-262, which has no other end of a text than `$`."""
    if isinstance(value, dict):
        return {
            key: inner.replace(r"\Z", "$")
            if key == "pattern" and isinstance(inner, str)
            else _with_portable_patterns(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_portable_patterns(inner) for inner in value]
    return value
