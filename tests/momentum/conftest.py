"""A database with players for the momentum checks."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import MongoClient

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.mongo.client import Document
from tests.support.momentum.check_series import Checks, CheckSeries, RunSeries
from tests.support.momentum.scenario import MomentumScenario
from tests.support.mongo.database_pool import DatabasePool


@pytest.fixture
def momentum(long_lease_settings: Settings, db: Any) -> MomentumScenario:
    """A scenario on a prepared database, without players."""
    return MomentumScenario(long_lease_settings, db)


@pytest.fixture(scope="module")
def run_series(
    mongo_url: str, mongo: MongoClient[Document], database_pool: DatabasePool
) -> Iterator[RunSeries]:
    """Runs a series of checks on a database that all tests of a module share."""
    name = database_pool.acquire()
    settings = config.load(
        None, {"MONGO_URL": mongo_url, "DB_NAME": name, "CHESSCOACH_RUNNER__LEASE_S": "60"}
    )

    def run(checks: Checks) -> CheckSeries:
        series = CheckSeries(MomentumScenario(settings, mongo[name]))
        with ThreadPoolExecutor(1) as thread:  # the loop of the test is not there yet
            thread.submit(asyncio.run, checks(series)).result()
        return series

    yield run
    database_pool.release(name)


@pytest.fixture
def other_db(mongo: MongoClient[Document], database_pool: DatabasePool) -> Iterator[Any]:
    """A second prepared database, to compare with the first."""
    name = database_pool.acquire()
    yield mongo[name]
    database_pool.release(name)


@pytest.fixture
def other_settings(long_lease_settings: Settings, other_db: Any) -> Settings:
    """The settings of a process that uses the second database."""
    config = long_lease_settings.config
    database = replace(config.database, name=other_db.name)
    return replace(long_lease_settings, config=replace(config, database=database))
