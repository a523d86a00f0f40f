"""The OpenAPI document, and that no request gets an answer which it does not have."""

from typing import Any

from jsonschema import Draft202012Validator

from chesscoach.web.api.catalog import ENDPOINTS
from tests.support.web.api_client import ApiClient, quoted

HOSTILE = (
    "nothing",
    "lichess:ann",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "a%00b",
    "é" * 40,
)
BODIES: tuple[Any, ...] = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"{}",
    b'{"id": 1}',
    b"\xff",
    b"[" * 9000,
)


def test_the_document_has_every_call_with_its_types(api: ApiClient) -> None:
    document = api.document
    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), path) for path, calls in document["paths"].items() for m in calls}
    assert len(described) == len(ENDPOINTS)
    names = [call["operationId"] for calls in document["paths"].values() for call in calls.values()]
    assert len(set(names)) == len(names)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert "\\Z" not in str(document)
    for name in ("token", "password", "claim"):
        assert name not in str(document["components"]["schemas"]["RunView"]["properties"])


async def test_hostile_requests_get_answers_of_the_document(api: ApiClient) -> None:
    """The client compares each answer with the document."""
    for endpoint in ENDPOINTS:
        await _send_hostile_requests(api, endpoint)


async def _send_hostile_requests(api: ApiClient, endpoint: Any) -> None:
    names = endpoint.path.count("{")
    for text in HOSTILE if names else ("",):
        path = "".join(
            part if not number % 2 else quoted(text)
            for number, part in enumerate(_parts(endpoint.path))
        )
        reply = await api(endpoint.method, path, headers={"If-Match": '"1"'})
        assert reply.status < 500, reply
    if endpoint.body is None:
        return
    for body in BODIES:
        headers = {"If-Match": '"1"', "Content-Type": "application/json"}
        reply = await api(endpoint.method, path, data=body, headers=headers)
        assert reply.status < 500, (body, reply)
    large = await api(endpoint.method, path, data=b" " * 70_000, headers=headers)
    assert large.status == 413, large
    form = await api(endpoint.method, path, data={"id": "x"}, headers={"If-Match": '"1"'})
    assert form.status == 415, form


def _parts(path: str) -> list[str]:
    """A path, cut at its parameters: text and names by turns."""
    parts = path.replace("{", "\0").replace("}", "\0").split("\0")
    return parts
