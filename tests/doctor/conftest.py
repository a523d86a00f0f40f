"""Ways to run the checks of `chesscoach doctor`."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chesscoach import config, log
from chesscoach.config import Settings
from chesscoach.doctor import checks
from chesscoach.doctor.finding import CheckContext, Finding
from tests.support.fake_sendgrid import FakeSendGrid
from tests.support.processes import FinishedProcess, run

UNREACHABLE = "mongodb://127.0.0.1:1/"
SHORT_TIMEOUTS = {"CHESSCOACH_DATABASE__TIMEOUT_S": "0.5"}
PASSWORD = "hunter2hunter2"  # planted
CHECK_NAMES = [check.name for check in checks.CHECKS]


async def run_checks(given: dict[str, str] | Settings, **more: str) -> dict[str, Finding]:
    """The findings by check, as they are reported, with logging as the command sets it up."""
    if isinstance(given, Settings):
        settings = given
    else:
        settings = await asyncio.to_thread(config.load, None, {**given, **more})
    log.configure(
        config.LogSettings(format="json"), secrets=settings.process.secrets(), stream="stderr"
    )
    reported: list[Finding] = []
    findings = await checks.run_checks(settings, reported.append)
    assert findings == reported
    assert [finding.check for finding in findings] == CHECK_NAMES
    return {finding.check: finding for finding in findings}


async def run_doctor(environment: dict[str, str], *args: str) -> FinishedProcess:
    """Runs `chesscoach doctor` as a process."""
    return await run(environment, "chesscoach.cli", "doctor", *args)


async def check_context(**environment: str) -> CheckContext:
    """What a check receives that does not need the database."""
    settings = await asyncio.to_thread(config.load, None, environment)
    return CheckContext(settings=settings)


def problems(findings: dict[str, Finding]) -> dict[str, str]:
    """The level of each check that is not ok."""
    return {name: finding.level for name, finding in findings.items() if finding.level != "ok"}


def failed_line(done: FinishedProcess) -> str:
    """The only line that says FAIL."""
    (line,) = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    return line


KEY = "SG.stand-in-for-tests"
SIGNING = "k" * 32
PRODUCTION = {
    "SENDGRID_API_KEY": KEY,
    "SENDER_EMAIL": "coach@example.org",
    "CHESSCOACH_EMAILS__PUBLIC_URL": "https://chess.example.org",
    "CHESSCOACH_EMAILS__SIGNING_KEY": SIGNING,
    "CHESSCOACH_WEB__PUBLIC": "127.0.0.1:0",
}


@pytest.fixture
async def sendgrid() -> AsyncIterator[FakeSendGrid]:
    """SendGrid on loopback."""
    standin = FakeSendGrid(key=KEY)
    async with standin.serve():
        yield standin


@pytest.fixture
def production(environment: dict[str, str], sendgrid: FakeSendGrid) -> dict[str, str]:
    """Settings with which emails go through the fake, without a problem."""
    return {
        **environment,
        **PRODUCTION,
        "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": sendgrid.url,
        "CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": sendgrid.events_key,
    }
