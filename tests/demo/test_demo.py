import os
from pathlib import Path

from tests.support.processes import FinishedProcess, run


async def demo() -> FinishedProcess:
    return await run(os.environ, "chesscoach.demo")


def mongods(folder: Path) -> list[str]:
    """The processes that have a mongod's lock on a folder."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(folder).encode() in command:
            pids.append(path.parent.name)
    return pids


async def test_the_demo_stores_games_writes_emails_and_a_second_one_finds_nothing_new(
    tmp_path: Path,
) -> None:
    first, second = await demo(), await demo()

    assert (first.code, second.code) == (0, 0), first
    assert "120 new games stored" in first.out
    assert "Nothing new" in second.out
    assert first.out.count("│ 12 ") == 20  # ten accounts, new and in all
    assert (first.err, second.err) == ("", "")
    boards = [
        shown.out.partition("Leaderboard of ")[2].partition("Running")[0]
        for shown in (first, second)
    ]
    assert boards[0] == boards[1]
    assert boards[0].count("│ 1 ") >= 1
    assert ("6 new emails" in first.out, "0 new emails" in second.out) == (True, True)
    for shown in (first, second):
        paths = [line.strip() for line in shown.out.splitlines() if line.endswith(".eml")]
        assert len(paths) == 6
        assert all((tmp_path / path).read_bytes().startswith(b"From:") for path in paths)
    assert mongods(tmp_path / ".chesscoach" / "demo" / "mongo") == []
