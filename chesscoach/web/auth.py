"""Who may use the admin listener: tokens, sessions of the pages, and a limit on wrong logins.

A token comes as `Authorization: Bearer …`. The login page turns it into a cookie that the token
itself signs. So each process accepts the cookie, and a new token ends all sessions.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Literal

from aiohttp import web
from itsdangerous import BadData, TimestampSigner
from msgspec import Struct

from chesscoach.config import WebSettings

Role = Literal["read", "admin"]
ROLES: tuple[Role, ...] = ("admin", "read")
COOKIE = "chesscoach_session"
SESSION_S = 12 * 3600
MAX_NAME_LENGTH = 60
_MAX_FAILURES = 5
_FAILURE_WINDOW_S = 60.0
_MAX_ADDRESSES = 1000
"""Addresses that are remembered; the oldest is forgotten, so that strangers cannot fill memory."""


class Operator(Struct, frozen=True, kw_only=True):
    """Who sent a request: the role, and the name that was given at the login."""

    role: Role
    name: str = ""
    address: str = ""
    via: Literal["token", "session", "loopback"] = "loopback"


_OPERATOR = web.RequestKey("operator", Operator)


class Access:
    """The tokens of `[web]`; without one, everyone who reaches the listener is its admin."""

    def __init__(self, settings: WebSettings) -> None:
        tokens: dict[Role, str] = {"admin": settings.admin_token, "read": settings.read_token}
        self._tokens = {role: token for role, token in tokens.items() if token}

    @property
    def needs_login(self) -> bool:
        """Whether a token is set."""
        return bool(self._tokens)

    def role_of_token(self, token: str) -> Role | None:
        """The role of a token, compared in constant time."""
        given = _digest(token)
        roles = [
            r for r, known in self._tokens.items() if hmac.compare_digest(_digest(known), given)
        ]
        return roles[0] if roles else None

    def open_session(self, role: Role, name: str) -> str:
        """The value of the cookie of a session."""
        return self._signer(role).sign(f"{role}:{name}".encode().hex()).decode()

    def read_session(self, cookie: str) -> tuple[Role, str] | None:
        """The role and name of a session that is signed by today's token and not expired."""
        for role in self._tokens:
            try:
                text = self._signer(role).unsign(cookie, max_age=SESSION_S).decode()
                signed_role, _, name = bytes.fromhex(text).decode().partition(":")
            except (BadData, ValueError):
                continue
            if signed_role == role:
                return role, name
        return None

    def _signer(self, role: Role) -> TimestampSigner:
        return TimestampSigner(self._tokens[role], salt="chesscoach.session")

    def identify(self, request: web.Request) -> Operator | None:
        """Who sent a request; None if it proves nothing.

        A wrong token is not made good by a cookie beside it.
        """
        address = request.remote or ""
        if not self._tokens:
            return Operator(role="admin", address=address)
        if (header := request.headers.get("Authorization")) is not None:
            scheme, _, token = header.partition(" ")
            role = self.role_of_token(token.strip()) if scheme.lower() == "bearer" else None
            return Operator(role=role, address=address, via="token") if role else None
        if session := self.read_session(request.cookies.get(COOKIE, "")):
            return Operator(role=session[0], name=session[1], address=address, via="session")
        return None


class LoginLimiter:
    """Refuses an address that has sent several wrong tokens within a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[str, list[float]] = {}

    def wait_s(self, address: str) -> float:
        """Seconds until the address may try again; 0 if it may now."""
        recent = self._recent(address)
        if len(recent) < _MAX_FAILURES:
            return 0.0
        return recent[-_MAX_FAILURES] + _FAILURE_WINDOW_S - self._clock()

    def add_failure(self, address: str) -> None:
        """Counts a wrong token."""
        recent = self._recent(address)
        self._failures.pop(address, None)
        self._failures[address] = [*recent, self._clock()]
        if len(self._failures) > _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - _FAILURE_WINDOW_S
        return [at for at in self._failures.get(address, []) if at > since]


def set_operator(request: web.Request, operator: Operator) -> None:
    """Notes who sent a request, for its handler."""
    request[_OPERATOR] = operator


def operator_of(request: web.Request) -> Operator:
    """Who sent a request that the middleware has let through."""
    return request[_OPERATOR]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
