"""The list of checks and their runner. Each check has a deadline, and none depends on another.

To add a check, write a function that returns a Finding and add a line to `CHECKS`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from msgspec.structs import replace

from chesscoach import log
from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.doctor import alerts, configuration, database, emails, maintenance, secrets, sources
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
from chesscoach.sources.source import SOURCES
from chesscoach.worker.runner import result

CHECKS: tuple[Check | DatabaseCheck, ...] = (
    Check("configuration", configuration.settings_origin),
    Check("contact", configuration.contact),
    Check("schedules", configuration.schedules),
    Check("database", database.connection),
    DatabaseCheck("replica set", database.members),
    DatabaseCheck("indexes", database.indexes),
    DatabaseCheck("clock", maintenance.clock),
    DatabaseCheck("timestamps", maintenance.timestamps),
    DatabaseCheck("usernames", maintenance.usernames),
    DatabaseCheck("progress", maintenance.progress),
    DatabaseCheck("queue", maintenance.queue),
    DatabaseCheck("jobs", maintenance.jobs),
    DatabaseCheck("lichess", sources.lichess),
    DatabaseCheck("chess.com", sources.chesscom),
    Check("email", emails.transport),
    Check("email links", emails.links),
    Check("email events", emails.events),
    Check("sendgrid", emails.sendgrid),
    DatabaseCheck("subscribers", emails.subscribers),
    DatabaseCheck("outbox", emails.outbox),
    Check("alerts", alerts.receivers),
    Check("secrets", secrets.secrets_origin),
    Check("secret files", secrets.files),
    Check("tls", secrets.tls),
    Check("redaction", secrets.redaction),
)

_SERVER_TIMEOUT_S = 15.0
"""Time for a server to become usable: an election takes up to 12 s."""

_OPEN_TIMEOUT_S = 60.0
"""The embedded server may take 45 s to start, and a URL may set longer waits than ours."""

_CHECK_TIMEOUT_S = 40.0
"""Twice the deadline of the longest check."""


async def run_checks(settings: Settings, report: Callable[[Finding], None]) -> list[Finding]:
    """Runs all checks and reports each finding as it comes; the texts have no secrets."""
    redactor = log.Redactor(settings.process.secrets())
    findings = []
    async with AsyncExitStack() as stack:
        ctx = await _open_context(settings, stack)
        for check in CHECKS:
            finding = replace(await _run_check(check, ctx), check=check.name)
            findings.append(_redact(finding, redactor))
            report(findings[-1])
    return findings


def configuration_finding(error: ConfigError) -> Finding:
    """The only finding if the settings cannot be read."""
    return _redact(replace(unusable(error), check=CHECKS[0].name), log.Redactor())


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if nothing fails, 2 if what fails is the configuration itself, else 1."""
    if any(finding.unusable for finding in findings):
        return result.EXIT_USAGE
    failed = any(finding.level == "fail" for finding in findings)
    return result.EXIT_FAILED if failed else result.EXIT_DONE


async def _open_context(settings: Settings, stack: AsyncExitStack) -> CheckContext:
    """Opens the context if it can, with a shorter wait for the server than a run has."""
    config = settings.config
    impatient = replace(
        config.database, timeout_s=min(config.database.timeout_s, _SERVER_TIMEOUT_S)
    )
    opened = replace(settings, config=replace(config, database=impatient))
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            context = await stack.enter_async_context(open_context(opened))
    except ConfigError as error:
        return CheckContext(settings=settings, config_error=error)
    except ChesscoachError as error:
        return CheckContext(settings=settings, unavailable_reason=str(error))
    except TimeoutError:
        return CheckContext(
            settings=settings,
            unavailable_reason=f"the server did not respond within {_OPEN_TIMEOUT_S:g} s",
        )
    return CheckContext(settings=settings, context=context)


async def _run_check(check: Check | DatabaseCheck, ctx: CheckContext) -> Finding:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            if isinstance(check, Check):
                return await check.run(ctx)
            if ctx.context is not None:
                return await check.run(ctx.context)
    except ChesscoachError as error:
        return fail(str(error), _hint(error))
    except TimeoutError:
        return fail(f"the check took longer than {_CHECK_TIMEOUT_S:g} s", "run doctor again")
    except Exception as error:  # noqa: BLE001  # one broken check must not hide the others
        log.get_logger().error("check_failed", check=check.name, exc_info=error)
        return fail(
            f"the check itself failed ({type(error).__name__})", "report the line in the log"
        )
    if check.name in SOURCES:
        return warn("not asked: its lane is in the database", "see the check database")
    return warn("not checked", "see the check database")


def _hint(error: ChesscoachError) -> str:
    if isinstance(error, StoreFailed):
        return "check the permissions of the user in MONGO_URL, and MongoDB's log"
    return "check MongoDB: it responded before"


def _redact(finding: Finding, redactor: log.Redactor) -> Finding:
    """One line, without secrets."""
    what, do = (" ".join(redactor.scrub(text).split()) for text in (finding.what, finding.do))
    return replace(finding, what=what, do=do)
