"""All calls of the API, in one list."""

from chesscoach.web.api import runs, schedules
from chesscoach.web.api.endpoint import Endpoint
from chesscoach.web.operations.admin import Admin
from chesscoach.web.routes import Route

ENDPOINTS: tuple[Endpoint, ...] = (*schedules.ENDPOINTS, *runs.ENDPOINTS)


def api_routes(admin: Admin) -> list[Route]:
    """The routes of the API."""
    return [endpoint.route(admin) for endpoint in ENDPOINTS]
