"""The routes of the admin listener, in one table."""

import asyncio

from chesscoach.web.api.catalog import api_routes
from chesscoach.web.auth import Access, LoginLimiter
from chesscoach.web.login import Login
from chesscoach.web.operations.admin import Admin
from chesscoach.web.routes import Route


def admin_routes(admin: Admin, access: Access) -> list[Route]:
    """What operators reach, besides the probes: the login, and the parts of the web room."""
    limiter = LoginLimiter(asyncio.get_running_loop().time)
    return [*Login(access, limiter, admin.base_path).routes(), *api_routes(admin)]
