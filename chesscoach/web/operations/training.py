"""Actions on routines and sessions."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chesscoach.errors import ConfigError, NotFound, RevisionConflict
from chesscoach.training.sessions import administration
from chesscoach.training.sessions.options import MissingOptions, RoutineOptions, Unset
from chesscoach.training.sessions.routine import Routine
from chesscoach.training.sessions.session import StoredSession
from chesscoach.web.auth import Operator
from chesscoach.web.operations.admin import Admin, logged_action
from chesscoach.web.operations.revisions import require_revision
from chesscoach.web.problems import FieldError, Problem, invalid


async def add_routine(
    admin: Admin, operator: Operator, user_id: str, options: RoutineOptions, timezone: str | None
) -> Routine:
    """Adds a routine of a user, and makes its sessions of the next days.

    Raises:
        NotFound: the user does not exist.
        Problem: an option cannot be used (422).
    """
    async with logged_action(admin, operator, "routines add", user_id=user_id, title=options.title):
        with _named_options():
            routine, _ = await administration.add_routine(
                admin.ctx.training, user_id, options, timezone
            )
        return routine


async def edit_routine(
    admin: Admin,
    operator: Operator,
    routine_id: str,
    options: RoutineOptions,
    unset: Sequence[Unset],
    timezone: str | None,
    revision: int | None,
) -> Routine:
    """Changes a routine, and its coming sessions that are still scheduled.

    Raises:
        NotFound: it does not exist.
        Problem: an option cannot be used (422), or the revision is missing (428) or old (412).
    """
    training = admin.ctx.training
    zones = await administration.load_zones(training)
    before = await administration.find_routine(training, routine_id, zones)
    require_revision(routine_id, before.revision, revision)
    async with logged_action(
        admin, operator, "routines edit", user_id=before.user_id, routine=routine_id
    ):
        with _named_options():
            routine, _ = await administration.edit_routine(
                training, routine_id, options, unset, timezone, before.revision
            )
        return routine


async def remove_routine(
    admin: Admin, operator: Operator, routine_id: str, revision: int | None
) -> None:
    """Deletes a routine and its coming sessions; past ones stay.

    An invalid routine has no revision, and is deleted whatever `revision` is.

    Raises:
        NotFound: it does not exist.
        Problem: the revision is missing (428) or old (412).
    """
    training = admin.ctx.training
    zones = await administration.load_zones(training)
    found = await training.routines.find(routine_id, zones)
    seen = found.revision if isinstance(found, Routine) else None
    if seen is not None:
        require_revision(routine_id, seen, revision)
    async with logged_action(admin, operator, "routines remove", routine=routine_id):
        await administration.remove_routine(training, routine_id, seen)


async def complete_session(
    admin: Admin,
    operator: Operator,
    session_id: str,
    minutes: int | None,
    revision: int | None = None,
) -> StoredSession:
    """Completes a session; a missed one only until its week has closed.

    Raises:
        NotFound: it does not exist.
        Problem: its status does not allow it (409), or the revision is given and old (412).
    """
    await _require_session_revision(admin, session_id, revision)
    async with logged_action(
        admin, operator, "sessions complete", session=session_id, minutes=minutes
    ):
        with _as_conflict():
            return await administration.complete_session(admin.ctx.training, session_id, minutes)


async def cancel_session(
    admin: Admin, operator: Operator, session_id: str, revision: int | None = None
) -> StoredSession:
    """Cancels a session that is scheduled; it is not made again.

    Raises:
        NotFound: it does not exist.
        Problem: its status does not allow it (409), or the revision is given and old (412).
    """
    await _require_session_revision(admin, session_id, revision)
    async with logged_action(admin, operator, "sessions cancel", session=session_id):
        with _as_conflict():
            return await administration.cancel_session(admin.ctx.training, session_id)


async def _require_session_revision(admin: Admin, session_id: str, revision: int | None) -> None:
    """Its status guards a session: a revision is not necessary."""
    if revision is not None:
        session = await administration.find_session(admin.ctx.training, session_id)
        require_revision(session_id, session.revision, revision)


@contextmanager
def _named_options() -> Iterator[None]:
    """Names the field of an option that cannot be used."""
    try:
        yield
    except (NotFound, RevisionConflict):
        raise
    except MissingOptions as error:
        missing = (FieldError(field=name, detail="it is required") for name in error.fields)
        detail = f"a routine needs {', '.join(error.fields)}"
        raise Problem(422, detail, errors=tuple(missing)) from None
    except ConfigError as error:
        name = re.match(r"--([a-z-]+): (.*)", str(error), re.DOTALL)
        if name is None:
            raise
        raise invalid(name[1].replace("-", "_"), name[2]) from None


@contextmanager
def _as_conflict() -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise
    except ConfigError as error:
        raise Problem(409, str(error)) from None
