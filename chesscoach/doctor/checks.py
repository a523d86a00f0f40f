"""The checks in their order, each made whatever the others found, none for longer than its time.

A further check is a function that returns a Finding, and a line in `CHECKS`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from msgspec.structs import replace

from chesscoach import log
from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.doctor import configuration, database, emails, maintenance, secrets, sources
from chesscoach.doctor.finding import (
    Check,
    CheckContext,
    DatabaseCheck,
    Finding,
    fail,
    unusable,
    warn,
)
from chesscoach.errors import ChesscoachError, ConfigError, StoreFailed
from chesscoach.worker.runner import result

CHECKS: tuple[Check | DatabaseCheck, ...] = (
    Check("configuration", configuration.origin),
    Check("contact", configuration.contact),
    Check("schedules", configuration.schedules),
    Check("database", database.connection),
    DatabaseCheck("replica set", database.members),
    DatabaseCheck("indexes", database.indexes),
    DatabaseCheck("clock", maintenance.clock),
    DatabaseCheck("strays", maintenance.timestamps),
    DatabaseCheck("queue", maintenance.queue),
    DatabaseCheck("jobs", maintenance.jobs),
    DatabaseCheck("lichess", sources.lichess),
    DatabaseCheck("chess.com", sources.chesscom),
    Check("mail", emails.transport),
    Check("mail links", emails.links),
    Check("mail events", emails.events),
    Check("sendgrid", emails.sendgrid),
    DatabaseCheck("outbox", emails.outbox),
    Check("secrets", secrets.origin),
    Check("secret files", secrets.files),
    Check("transport", secrets.tls),
    Check("masking", secrets.redaction),
)

_STORE_S = 15.0
"""So long a server has to become usable: an election takes up to 12 s."""

_OPEN_S = 60.0
"""The embedded one may take 45 s to come up; and a URL may set longer waits than ours."""

_CHECK_S = 40.0
"""Twice what the longest check allows itself."""


async def run_checks(settings: Settings, tell: Callable[[Finding], None]) -> list[Finding]:
    """Makes all checks, telling each finding as it comes; the texts are without secrets."""
    redactor = log.Redactor(settings.process.secrets())
    findings = []
    async with AsyncExitStack() as stack:
        patient = await _open_context(settings, stack)
        for check in CHECKS:
            found = _redact(replace(await _run_check(check, patient), check=check.name), redactor)
            findings.append(found)
            tell(found)
    return findings


def configuration_finding(error: ConfigError) -> Finding:
    """The only finding where the settings cannot even be read."""
    return _redact(replace(unusable(error), check=CHECKS[0].name), log.Redactor())


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if nothing fails, 2 if what fails is the configuration itself, else 1."""
    if any(found.unusable for found in findings):
        return result.EXIT_USAGE
    return (
        result.EXIT_FAILED if any(found.level == "fail" for found in findings) else result.EXIT_DONE
    )


async def _open_context(settings: Settings, stack: AsyncExitStack) -> CheckContext:
    """Opens what can be opened; a server that does not answer is not waited for as in a run."""
    config = settings.config
    hasty = replace(config.database, timeout_s=min(config.database.timeout_s, _STORE_S))
    opened = replace(settings, config=replace(config, database=hasty))
    try:
        async with asyncio.timeout(_OPEN_S):
            ctx = await stack.enter_async_context(open_context(opened))
    except ConfigError as error:
        return CheckContext(settings=settings, config_error=error)
    except ChesscoachError as error:
        return CheckContext(settings=settings, unavailable_reason=str(error))
    except TimeoutError:
        return CheckContext(
            settings=settings, unavailable_reason=f"it did not answer within {_OPEN_S:g} s"
        )
    return CheckContext(settings=settings, ctx=ctx)


async def _run_check(check: Check | DatabaseCheck, patient: CheckContext) -> Finding:
    try:
        async with asyncio.timeout(_CHECK_S):
            if isinstance(check, Check):
                return await check.run(patient)
            if patient.ctx is not None:
                return await check.run(patient.ctx)
    except ChesscoachError as error:
        return fail(str(error), _hint(error))
    except TimeoutError:
        return fail(f"not done within {_CHECK_S:g} s", "repeat")
    except Exception as error:  # noqa: BLE001  # one check's trouble hides no other's
        log.get_logger().error("check_failed", check=check.name, exc_info=error)
        return fail(f"the check itself failed ({type(error).__name__})", "report the log's line")
    if check.name in ("lichess", "chess.com"):
        return warn("not asked: its lane is in the database", "see the check of the database")
    return warn("not looked at", "see the check of the database")


def _hint(error: ChesscoachError) -> str:
    if isinstance(error, StoreFailed):
        return "check what the user in MONGO_URL may do, and MongoDB's log"
    return "look at MongoDB: it answered before"


def _redact(found: Finding, redactor: log.Redactor) -> Finding:
    """One line, without secrets."""
    what, do = (" ".join(redactor.scrub(text).split()) for text in (found.what, found.do))
    return replace(found, what=what, do=do)
