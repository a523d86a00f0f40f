from typing import Any

import pytest

from tests.support.training.sessions_scenario import SessionsScenario


@pytest.fixture
def training(environment: dict[str, str], db: Any) -> SessionsScenario:
    """A prepared database with one user, in UTC."""
    scenario = SessionsScenario(environment, db)
    scenario.add_user()
    return scenario
