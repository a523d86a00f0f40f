"""What cannot be used is refused in one line that names it, before the database is asked."""

import json
import re
from collections.abc import Iterator

import click
import pytest

from chesscoach.cli.main import main
from tests.cli.conftest import RunCli, invoke
from tests.conftest import NOON, Clock

UNREACHABLE_DATABASE = {
    "MONGO_URL": "mongodb://127.0.0.1:9/",
    "CHESSCOACH_DATABASE__TIMEOUT_S": "1",
}
JOB = ("--job", "sync_games")
DAILY = (*JOB, "--cron", "0 3 * * *")


def bad_cron(text: str, said: str = "--cron: ") -> tuple[str, tuple[str, ...], str]:
    return "x", (*JOB, "--cron", text), said


def bad_zone(text: str) -> tuple[str, tuple[str, ...], str]:
    return "x", (*DAILY, "--timezone", text), "--timezone: not in the IANA database"


def bad_options(*args: str, said: str) -> tuple[str, tuple[str, ...], str]:
    return "x", (*DAILY, *args), said


def bad_every(text: str, said: str) -> tuple[str, tuple[str, ...], str]:
    return "x", (*JOB, "--every", text), said


def bad_instant(text: str) -> tuple[str, tuple[str, ...], str]:
    return "x", (*JOB, "--at", text), "'--at': "


def bad_id(text: str) -> tuple[str, tuple[str, ...], str]:
    return text, DAILY, "'ID': "


BAD_INPUT = [
    # expressions
    bad_cron("", "--cron: wrong number of fields: give five fields"),
    bad_cron("@daily", "--cron: wrong number of fields"),
    bad_cron("* * * *", "--cron: wrong number of fields"),
    bad_cron("0 0 0 * * * 2026", "--cron: wrong number of fields"),
    bad_cron("60 * * * *", "--cron: bad minute"),
    bad_cron("* 24 * * *", "--cron: bad hour"),
    bad_cron("* * 0 * *", "--cron: bad day-of-month"),
    bad_cron("* * * 13 *", "--cron: bad month"),
    bad_cron("* * * * 8", "--cron: bad day-of-week"),
    bad_cron("* * * * montag", "--cron: bad day-of-week"),
    bad_cron("* * * * fri-mon", "--cron: bad day-of-week"),
    bad_cron("60 * * * * *", "--cron: bad second"),
    bad_cron("*/0 * * * *", "--cron: bad minute"),
    bad_cron("5-1 * * * *", "--cron: bad minute"),
    bad_cron("*/90 * * * *", "--cron: bad minute: a step of 90 in a field of 60; use every"),
    bad_cron("0,5-59/61 * * * *", "--cron: bad minute: a step of 61"),
    bad_cron("0 */36 * * *", "--cron: bad hour: a step of 36 in a field of 24"),
    bad_cron("0 0 */45 * *", "--cron: bad day-of-month: a step of 45 in a field of 31"),
    bad_cron("0 0 1 */18 *", "--cron: bad month: a step of 18 in a field of 12"),
    bad_cron("0 0 * * */14", "--cron: bad day-of-week: a step of 14 in a field of 7"),
    bad_cron("*/90 * * * * *", "--cron: bad second: a step of 90 in a field of 60"),
    bad_cron("? 0 * * *", "--cron: bad minute"),
    bad_cron("0 0 31 2 *", "--cron: bad day-of-month"),
    bad_cron("0 0 30 feb *", "--cron: bad day-of-month"),
    bad_cron("٣ * * * *", "--cron: bad minute"),
    bad_cron("0 3 * * *" + " " * 10 + ",1" * 100, "--cron: expected `str` of length <= 200"),
    # zones
    bad_zone(""),
    bad_zone("Europe/Berlin "),
    bad_zone("europe/berlin"),
    bad_zone("Mars/Olympus"),
    bad_zone("UTC+2"),
    bad_zone("../../etc/passwd"),
    bad_zone("/usr/share/zoneinfo/UTC"),
    bad_zone("localtime"),
    bad_zone("Europe"),
    bad_options("--timezone", "A" * 101, said="--timezone: expected `str` of length <= 100"),
    # jobs and their arguments
    ("x", ("--cron", "0 3 * * *"), "--job: none given: give one of"),
    ("x", ("--job", "sync", "--cron", "0 3 * * *"), "--job: 'sync': give one of sync_games"),
    ("x", ("--job", "os.system", "--cron", "0 3 * * *"), "--job: 'os.system'"),
    ("x", ("--job", "j" * 5000, "--cron", "0 3 * * *"), "jjj...'"),
    bad_options(
        "--arg", "player=ann",
        said="--arg: 'player' is not an argument of sync_games; give each of user"
    ),
    bad_options("--arg", "user", said="--arg: 'user' has no =: give NAME=VALUE"),
    bad_options("--arg", "=ann", said="--arg: '=ann' has no ="),
    bad_options("--arg", "all=perhaps", said="--arg: all: expected `bool`"),
    bad_options("--arg", "active_within_h=0", said="--arg: active_within_h: expected `int` >= 1"),
    bad_options("--arg", "user=a", "--arg", "user=b", said="--arg: 'user' is given twice"),
    # ids
    bad_id("Nightly"),
    bad_id("at-night"),
    bad_id(""),
    bad_id("x" * 65),
    bad_id("#changes"),
    bad_id("x:2026-10-21T12:00:00Z"),
    bad_id("x\n"),
    bad_id("nächtlich"),
    # triggers
    ("x", JOB, "--cron, --every, --at: give one of them; given: none"),
    bad_options("--every", "6h", said="give one of them; given: --cron and --every"),
    bad_options("--overlap", "never", said="'--overlap': 'never' is not one of"),
    bad_options("--anchor", "2026-01-01T00:00:00Z", said="--anchor: only --every has one"),
    bad_every("0h", "--every: a period is at least a second and at most ten years: give"),
    bad_every("600w", "--every: a period is at least a second and at most ten years"),
    bad_every("999999999h", "--every: expected `int` <= 316000000"),
    bad_every("6", "'--every': '6' is not a period: give a number with each of w d h m s"),
    bad_every("-6h", "is not a period"),
    bad_every("1.5h", "is not a period"),
    bad_every("6h 6h", "is not a period"),
    bad_every("six hours", "is not a period"),
    bad_instant("2026-12-24T18:00:00"),
    bad_instant("24.12.2026 18:00"),
    bad_instant("2026-13-24T18:00:00Z"),
    bad_instant("9999-12-31T23:59:59-12:00"),
    bad_instant("tomorrow"),
    # the rest
    bad_options("--lock", "Nightly", said="--lock: not an identifier: give a-z, 0-9 and _"),
    bad_options("--lock", "", said="--lock: not an identifier"),
    bad_options(
        "--max-instances", "0",
        said="--max-instances: expected `int` >= 1: give a whole number"
    ),
    bad_options("--max-instances", "101", said="--max-instances: expected `int` <= 100"),
    bad_options("--max-instances", "two", said="'--max-instances': 'two' is not a valid integer"),
    bad_options(
        "--overlap", "queue",
        said="'--overlap': 'queue' is not one of 'skip', 'queue_one'"
    ),
    bad_options("--misfire-grace-s", "-1", said="--misfire-grace-s: expected `float` > 0.0: give"),
    bad_options("--misfire-grace-s", "0", said="--misfire-grace-s: expected `float` > 0.0"),
    bad_options("--misfire-grace-s", "nan", said="--misfire-grace-s: expected `float` > 0.0"),
    bad_options(
        "--misfire-grace-s", "inf",
        said="--misfire-grace-s: expected `float` <= 31622400.0"
    ),
    bad_options("--misfire-grace-s", "1h", said="'--misfire-grace-s': '1h' is not a valid float"),
    bad_options(
        "--jitter-s", "86401",
        said="--jitter-s: expected `float` <= 86400.0: give seconds"
    ),
    bad_options("--jitter-s", "nan", said="--jitter-s: expected `float` >= 0.0"),
    bad_options("--bogus", said="No such option '--bogus'"),
    bad_options("--cron", said="Option '--cron' requires an argument"),
    bad_options("y", said="unexpected extra argument (y)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schedule_id", "args", "said"), BAD_INPUT, ids=[f"{n:02}" for n in range(len(BAD_INPUT))]
)
def test_a_schedule_that_cannot_be_is_refused_in_one_line_that_names_the_field(
    schedule_id: str, args: tuple[str, ...], said: str
) -> None:
    done = invoke(UNREACHABLE_DATABASE, Clock(NOON), "schedules", "add", schedule_id, *args)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("chesscoach: ")
    assert said in line
    assert re.search(r"\(see chesscoach schedules( add)? --help\)$", line)
    assert len(line) < 300


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("schedules", "frobnicate"), "No such command 'frobnicate'"),
        (("schedules", "--bogus"), "No such option '--bogus'"),
        (("schedules", "show"), "Missing argument 'ID'"),
        (("schedules", "show", "#changes"), "'#changes' is not an id"),
        (("schedules", "edit", "x"), "there is nothing to change"),
        (("schedules", "edit", "x", "--unset", "job"), "'job' is not one of"),
        (("schedules", "edit", "x", "--revision", "first", "--lock", "y"), "'--revision'"),
        (("schedules", "next", "--count", "0"), "'--count': 0 is not in the range"),
        (("schedules", "next", "--count", "1001"), "'--count'"),
        (("schedules", "explain", "x"), "SLOT: give ID:INSTANT"),
        (("schedules", "explain", "x", "yesterday"), "'yesterday' is not an instant"),
        (("schedules", "explain", "x:2026-10-21T12:00:00"), "is not an instant with its offset"),
        (("schedules", "explain", "X:2026-10-21T12:00:00Z"), "'X' is not an id"),
        (("schedules", "explain", "sync_games:manual:6f1c"), "`chesscoach runs show`"),
        (("runs", "list", "--limit", "0"), "'--limit'"),
        (("runs", "list", "--outcome", "fine"), "'fine' is not one of"),
        (("schedules", "list", "--config", "missing.toml"), "missing.toml: no such file"),
    ],
)
def test_wrong_options_are_refused_in_one_line(args: tuple[str, ...], said: str) -> None:
    done = invoke(UNREACHABLE_DATABASE, Clock(NOON), *args)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line


def test_what_only_the_database_knows_is_refused_in_one_line_too(run_cli: RunCli) -> None:
    run_cli("schedules", "add", "mine", *DAILY)
    for args, said in (
        (
            ("schedules", "show", "yours"),
            "schedule 'yours' does not exist; there are: mine, sync_games",
        ),
        (("schedules", "add", "mine", *DAILY), "there is a schedule mine already"),
        (("schedules", "add", "sync_games", *DAILY), "sync_games in the configuration already"),
        (("schedules", "remove", "sync_games"), "sync_games is in the configuration"),
        (
            ("schedules", "pause", "mine", "--revision", "7"),
            "--revision: mine has changed since, to revision",
        ),
        (
            ("schedules", "edit", "mine", "--unset", "cron"),
            "--cron, --every, --at: give one of them",
        ),
        (("schedules", "edit", "mine", "--timezone", "Mars/X"), "--timezone: not in the IANA"),
        (("schedules", "explain", "yours:2026-10-21T12:00:00Z"), "schedule 'yours' does not exist"),
        (("schedules", "run-now", "yours"), "schedule 'yours' does not exist"),
        (
            ("runs", "show", "mine:2026-10-21T12:00:00Z"),
            "run 'mine:2026-10-21T12:00:00Z' does not exist",
        ),
    ):
        done = run_cli(*args, code=2)
        (line,) = done.stderr.splitlines()
        assert said in line, args
    (mine,) = [
        row
        for row in json.loads(run_cli("schedules", "list", "--json").stdout)
        if row["id"] == "mine"
    ]
    assert mine["trigger"] == "0 3 * * * (UTC)"


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from walk(inner, (*path, name))


def test_every_command_has_help_and_a_configuration() -> None:
    paths = list(walk(main))
    assert ("schedules", "run-now") in paths
    for path in paths:
        done = invoke({}, Clock(NOON), *path, "--help")
        assert (done.exit_code, done.stderr) == (0, "")
        assert "Usage:" in done.stdout
        assert "--config" in done.stdout or "Commands:" in done.stdout, path
