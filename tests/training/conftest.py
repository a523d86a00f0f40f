"""A database with players for the jobs of training."""

from typing import Any

import pytest

from chesscoach.config import Settings
from tests.support.training.scenario import TrainingScenario


@pytest.fixture
def training(long_lease_settings: Settings, db: Any) -> TrainingScenario:
    """A scenario on a prepared database, without players."""
    return TrainingScenario(long_lease_settings, db)
