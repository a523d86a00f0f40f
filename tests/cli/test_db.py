from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from chesscoach.mongo import indexes
from tests.cli.conftest import RunCli, invoke
from tests.conftest import NOON, Clock
from tests.support.application_indexes import create_application_indexes
from tests.support.mongo.mongod_auth import AuthenticatedMongod, authenticated_mongod

HOUR_S = 3600


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthenticatedMongod]:
    with authenticated_mongod(tmp_path_factory.mktemp("guarded") / "data") as found:
        yield found


def run_as_user(server: AuthenticatedMongod, user: str, *args: str) -> Any:
    environment = {"MONGO_URL": server.url(user), "DB_NAME": server.database}
    return invoke(environment, Clock(NOON), "db", *args)


# init


@pytest.mark.new_database
def test_the_applications_own_database_keeps_its_indexes_and_gets_what_it_lacks(
    run_cli: RunCli, db: Any
) -> None:
    create_application_indexes(db)
    before = {name: db[name].index_information() for name in db.list_collection_names()}
    printed = run_cli("db", "init").stdout
    assert "present  user_sessions.expires_at_1" in printed
    assert "present  users.chesscoach_user_id" in printed
    assert "made     games.user_id_1_url_1" in printed
    for name, indexes_before in before.items():
        assert indexes_before.items() <= db[name].index_information().items()
    run_cli("db", "check")
    create_application_indexes(db)


@pytest.mark.new_database
def test_an_index_of_other_options_and_duplicates_are_named_and_all_others_are_made(
    run_cli: RunCli, db: Any
) -> None:
    db.email_events.create_index("at", expireAfterSeconds=60)
    db.games.insert_many([{"game_id": "same"}, {"game_id": "same"}])
    printed = run_cli("db", "init", code=2).stderr
    assert "games: (game_id) is not unique in the data" in printed
    assert db.games.count_documents({}) == 2
    assert "email_events: an index on (at) exists with other options" in printed
    assert "user_id_1_url_1" in db.games.index_information()
    assert db.email_events.index_information()["at_1"]["expireAfterSeconds"] == 60


@pytest.mark.new_database
def test_a_unique_index_that_we_do_not_expect_is_named(
    run_cli: RunCli, run_cli_json: Any, db: Any
) -> None:
    db.games.create_index("url", unique=True)
    db.users.create_index("email", unique=True)
    db.sync_accounts.create_index("links.user_id", unique=True, name="one_account")
    expected = "unexpected     games.url_1: unique on (url)"
    assert expected in run_cli("db", "init").stdout
    printed = run_cli("db", "check", code=1).stdout
    assert expected in printed
    assert "sync_accounts.one_account" in printed
    assert "email" not in printed
    assert len(run_cli_json("db", "check", code=1)["unexpected"]) == 2


@pytest.mark.new_database
def test_a_ttl_index_waits_while_it_would_delete_a_great_deal_at_once(
    run_cli: RunCli, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MASS_DELETE_LIMIT", 5)
    db.user_sessions.insert_many([{"expires_at": NOON} for _ in range(6)])
    printed = run_cli("db", "init", code=1).stdout
    assert "waiting  user_sessions.expires_at_1" in printed
    assert "chesscoach.jobs.cleanup" in printed
    assert db.user_sessions.count_documents({}) == 6
    assert "expires_at_1" not in db.user_sessions.index_information()
    assert "made     user_sessions" in run_cli("db", "init", "--allow-mass-delete").stdout


@pytest.mark.parametrize("user", ["reader", "worker"])
def test_missing_rights_for_indexes_are_reported_in_one_line(
    server: AuthenticatedMongod, user: str
) -> None:
    result = run_as_user(server, user, "init")
    assert result.exit_code == 2
    assert "the user in MONGO_URL may not create" in result.stderr
    assert "readWrite" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.output


def test_an_operator_who_may_prepares_it_for_a_user_who_may_not(
    server: AuthenticatedMongod,
) -> None:
    assert run_as_user(server, "root", "init").exit_code == 0
    again = run_as_user(server, "worker", "init")
    assert (again.exit_code, again.stdout.count("made ")) == (0, 0)
    with MongoClient[dict[str, Any]](server.url("root")) as client:
        for name in client[server.database].list_collection_names():
            if not name.startswith("system."):
                client[server.database].drop_collection(name)


# check


def test_a_prepared_database_has_no_problem(run_cli: RunCli, run_cli_json: Any) -> None:
    run_cli("db", "init")
    assert run_cli("db", "check").stdout.startswith("ok ")
    assert run_cli_json("db", "check") == {"missing": [], "contradicting": [], "unexpected": []}


@pytest.mark.new_database
def test_it_names_what_is_missing_and_changes_nothing(run_cli: RunCli, db: Any) -> None:
    printed = run_cli("db", "check", code=1).stdout
    assert "missing        users.chesscoach_user_id: run `chesscoach db init`" in printed
    assert db.list_collection_names() == []


DRIFTS: list[tuple[str, Any, dict[str, Any], str]] = [
    ("games", "game_id", {}, "(game_id) should be unique"),
    ("job_runs", "other", {"name": "started_at_-1"}, "should be on (started_at)"),
    ("games", [("user_id", 1), ("url", 1)], {"sparse": True}, "should not be sparse"),
    (
        "game_analyses",
        [("user_id", 1), ("created_at", 1)],
        {"partialFilterExpression": {"x": 1}},
        "should not be partial in that way",
    ),
    (
        "user_sessions",
        "expires_at",
        {"expireAfterSeconds": HOUR_S},
        "(expires_at) should delete documents after 0 s, not 3600",
    ),
]


@pytest.mark.new_database
def test_it_says_how_an_index_drifts(run_cli: RunCli, db: Any) -> None:
    for collection, keys, options, _ in DRIFTS:
        db[collection].create_index(keys, **options)
    printed = run_cli("db", "check", code=1).stdout
    lines = [line for line in printed.splitlines() if line.startswith("contradicting")]
    assert len(lines) == len(DRIFTS), lines
    for collection, _, _, how in DRIFTS:
        assert any(f" {collection}." in line and how in line for line in lines), (how, lines)


@pytest.mark.new_database
def test_an_index_that_should_delete_documents_and_does_not_is_named(
    run_cli: RunCli, db: Any
) -> None:
    db.user_sessions.create_index("expires_at")
    printed = run_cli("db", "check", code=1).stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("contradicting")]
    assert " user_sessions." in line
    assert "should delete documents after 0 s, not None" in line


def test_another_index_that_serves_makes_up_for_one_that_drifts(run_cli: RunCli, db: Any) -> None:
    run_cli("db", "init")
    keys = [("user_id", 1), ("url", 1)]
    db.games.create_index(keys, name="his", partialFilterExpression={"url": {"$exists": True}})
    run_cli("db", "check")


def test_a_reader_may_check(server: AuthenticatedMongod) -> None:
    result = run_as_user(server, "reader", "check")
    assert result.exit_code == 1, result.output
    assert "missing        users.chesscoach_user_id" in result.stdout


def test_a_database_that_is_not_there_is_one_clear_line(clock: Clock) -> None:
    away = {"MONGO_URL": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"}
    for name in ("init", "check"):
        result = invoke(away, clock, "db", name)
        assert result.exit_code == 1
        assert "MongoDB does not answer" in result.stderr
