"""An email scenario with a fake SendGrid, on Monday at nine."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from tests.conftest import Clock
from tests.support.emails.email_scenario import KEY, MONDAY, EmailScenario
from tests.support.fake_sendgrid import FakeSendGrid


@pytest.fixture
async def emails(long_lease_settings: Settings, db: Any) -> AsyncIterator[EmailScenario]:
    """An email scenario on a prepared database, at nine on Monday, with a fake SendGrid."""
    sendgrid = FakeSendGrid(key=KEY)
    async with sendgrid.serve():
        process = replace(
            long_lease_settings.process, sendgrid_key=KEY, sender_email="coach@example.org"
        )
        scenario = EmailScenario(
            replace(long_lease_settings, process=process), db, sendgrid, Clock(MONDAY)
        )
        scenario.change_settings(public_url="https://chess.example.org", signing_key="k" * 32)
        scenario.change_sendgrid_settings(base_url=sendgrid.url, timeout_s=20.0)
        yield scenario


@pytest.fixture
def local_delivery(emails: EmailScenario) -> EmailScenario:
    """The same, each player at nine of their own Monday."""
    emails.change_settings(deliver_at="local 09:00", timezone="Europe/Berlin")
    schedules = dict(emails.settings.config.schedules)
    hourly = replace(schedules["weekly_emails"], cron="0 * * * *", misfire_grace_s=3600.0)
    config = replace(emails.settings.config, schedules={**schedules, "weekly_emails": hourly})
    emails.settings = replace(emails.settings, config=config)
    return emails
