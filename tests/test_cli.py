import json
from typing import Any

from tests.conftest import Sites
from tests.processes import Ended, run

CLI = "chesscoach.cli"


async def cli(environment: dict[str, str], *args: str) -> Ended:
    return await run(environment, CLI, *args)


async def test_db_init_makes_what_we_need_and_is_safe_to_repeat(
    environment: dict[str, str], db: Any
) -> None:
    db.games.create_index("game_id", unique=True, name="theirs")

    first = await cli(environment, "db", "init", "--json")
    second = await cli(environment, "db", "init", "--json")

    (report,) = first.lines
    assert "games.chesscoach_game_id" in report["present"]
    assert "sync_accounts.chesscoach_platform_due_at__id" in report["made"]
    assert set(db.games.index_information()) == {"_id_", "theirs", "chesscoach_user_id_url"}
    assert second.lines[0]["made"] == []
    assert {"job_runs", "job_leases", "sync_accounts"} <= set(db.list_collection_names())


async def test_db_init_names_the_duplicates_and_changes_nothing(
    environment: dict[str, str], db: Any
) -> None:
    db.games.insert_many([{"game_id": "same"}, {"game_id": "same"}])

    done = await cli(environment, "db", "init")

    assert done.code == 2
    assert "games: (game_id) is not unique in the data" in done.err
    assert db.games.count_documents({}) == 2


async def test_an_account_is_linked_listed_and_unlinked(
    environment: dict[str, str], db: Any, sites: Sites
) -> None:
    await cli(environment, "db", "init")
    assert (await cli(environment, "account", "link", "ann", "--lichess", "Ann")).code == 0
    assert (await cli(environment, "account", "link", "ann", "--chesscom", "ann-c")).code == 0

    shown = await cli(environment, "account", "list", "--json")
    table = await cli(environment, "account", "list")

    assert [(row["platform"], row["name"], row["games"]) for row in json.loads(shown.out)] == [
        ("lichess", "Ann", 0),
        ("chess.com", "ann-c", 0),
    ]
    assert "ann-c" in table.out
    assert (await cli(environment, "account", "unlink", "ann", "--lichess")).code == 0
    assert db.users.find_one({"user_id": "ann"})["chesscom_username"] == "ann-c"
    assert "lichess_username" not in db.users.find_one({"user_id": "ann"})


async def test_bad_input_is_one_line_and_code_2(environment: dict[str, str], db: Any) -> None:
    for args, said in (
        (("account", "link", "ann", "--lichess", "a/b"), "'a/b' cannot be a name on lichess"),
        (("account", "link", "ann"), "nothing to link"),
        (("account", "unlink", "nobody"), "no user with the user_id 'nobody'"),
        (("db", "frobnicate"), "frobnicate"),
    ):
        done = await cli(environment, *args)
        assert done.code == 2, args
        assert said in done.err, done
        assert "Traceback" not in done.err
    assert db.users.count_documents({}) == 0


async def test_every_command_has_help(environment: dict[str, str]) -> None:
    for args in ((), ("accounts",), ("db",), ("db", "init"), ("account",), ("account", "link")):
        done = await cli(environment, *args, "--help")
        assert done.code == 0
        assert "Usage:" in done.out
