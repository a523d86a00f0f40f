"""A client of the API that compares each response with the OpenAPI document."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

from jsonschema import Draft202012Validator

from tests.support.web.admin_client import API, AdminClient, Reply


class ApiClient:
    """Sends requests; a status or a body that the document does not have fails the test."""

    def __init__(self, client: AdminClient, document: dict[str, Any]) -> None:
        self._client = client
        self.document = document
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "(.+)", path)), path) for path in document["paths"]
        ]

    async def __call__(self, method: str, path: str, **given: Any) -> Reply:
        """One request to a path below /api/v1."""
        reply = await self._client(method, API + path, **given)
        self.check(method, path, reply)
        return reply

    def check(self, method: str, path: str, reply: Reply) -> None:
        """Holds a response to the document."""
        operation = self._operation(method, urlsplit(API + path).path)
        assert str(reply.status) in operation["responses"], (method, path, reply)
        described = operation["responses"][str(reply.status)].get("content", {})
        content_type = reply.headers.get("Content-Type", "").partition(";")[0]
        if not described:
            assert reply.text == "", (method, path, reply)
            return
        assert content_type in described, (method, path, reply)
        schema = {**described[content_type]["schema"], "components": self.document["components"]}
        assert not list(Draft202012Validator(schema).iter_errors(reply.body)), reply

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        matching = [known for pattern, known in self._paths if pattern.fullmatch(path)]
        assert matching, path
        found = max(matching, key=lambda known: (len(re.sub(r"\{\w+\}", "", known)), known))
        operation: dict[str, Any] = self.document["paths"][found][method.lower()]
        return operation


def quoted(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")
