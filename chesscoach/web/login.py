"""`/login` and `/logout`: a token for a cookie that no other site can use.

The cookie is `HttpOnly` and `SameSite=Strict`; where a proxy says that the browser speaks https,
also `Secure`. Wrong tokens are limited by address, and logged without the token.
"""

from urllib.parse import parse_qs

from aiohttp import web

from chesscoach import log
from chesscoach.web.admin_middleware import safe_target
from chesscoach.web.auth import COOKIE, MAX_NAME_LENGTH, SESSION_S, Access, LoginLimiter
from chesscoach.web.pages import redirect, render_page
from chesscoach.web.problems import Problem
from chesscoach.web.routes import Route


class Login:
    """The handlers of the login page."""

    def __init__(self, access: Access, limiter: LoginLimiter, base_path: str) -> None:
        self._access = access
        self._limiter = limiter
        self._base_path = base_path

    def routes(self) -> list[Route]:
        """The routes of the login and the logout."""
        return [
            Route(method="GET", path="/login", scope="public", handler=self._show),
            Route(method="POST", path="/login", scope="public", handler=self._log_in),
            Route(method="POST", path="/logout", scope="public", handler=self._log_out),
        ]

    async def _show(self, request: web.Request) -> web.StreamResponse:
        target = self._target(request.query.get("next", "/"))
        if not self._access.needs_login:
            return self._redirect(target)
        return self._page(target)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        target = self._target(form.get("next", "/"))
        if not self._access.needs_login:
            return self._redirect(target)
        address = request.remote or ""
        if (wait_s := self._limiter.wait_s(address)) > 0:
            log.get_logger().warning("login_limited", address=address)
            page = self._page(target, 429, "Too many wrong tokens: wait a minute.")
            page.headers["Retry-After"] = str(int(wait_s) + 1)
            return page
        role = self._access.role_of_token(form.get("token", "").strip())
        if role is None:
            self._limiter.add_failure(address)
            log.get_logger().warning("login_failed", address=address)
            return self._page(target, 403, "This is not a token of this server.")
        given = "".join(filter(str.isprintable, form.get("name", "")))
        name = " ".join(given.split())[:MAX_NAME_LENGTH]
        log.get_logger().info("login_succeeded", role=role, name=name, address=address)
        response = self._redirect(target)
        response.set_cookie(
            COOKIE,
            self._access.open_session(role, name),
            path=self._cookie_path,
            max_age=SESSION_S,
            httponly=True,
            samesite="Strict",
            secure=_is_https(request),
        )
        return response

    async def _log_out(self, _: web.Request) -> web.StreamResponse:
        response = self._redirect("/login")
        response.del_cookie(COOKIE, path=self._cookie_path)
        return response

    @property
    def _cookie_path(self) -> str:
        return self._base_path or "/"

    def _target(self, text: str) -> str:
        """A safe path without the base path, which a link from elsewhere may have."""
        target, base = safe_target(text), self._base_path
        return (
            safe_target(target[len(base) :]) if base and target.startswith(f"{base}/") else target
        )

    def _redirect(self, target: str) -> web.Response:
        return redirect(f"{self._base_path}{target}")

    def _page(self, target: str, status: int = 200, error: str = "") -> web.Response:
        return render_page("login", status, next=target, error=error, base_path=self._base_path)


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a posted form; of a field that comes twice, the last value.

    Raises:
        Problem: the body is not a form.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "expected the fields of a form")
    try:
        text = (await request.read()).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=200, errors="strict")
    except ValueError:
        raise Problem(400, "the form cannot be read") from None
    return {name: values[-1] for name, values in fields.items()}


def _is_https(request: web.Request) -> bool:
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
