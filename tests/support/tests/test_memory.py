"""What a killed run has left in memory is deleted by the next."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.mongo.memory import memory_folder


def test_the_folder_of_a_killed_run_is_deleted_and_that_of_a_living_one_stays(
    tmp_path: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    Path(tempfile.mkdtemp(prefix=f"chesscoach-tests-{ended.pid}-", dir=tmp_path))

    ours = memory_folder(tmp_path, 0)
    theirs = memory_folder(tmp_path, 0)

    assert ours is not None
    assert theirs is not None
    assert {*tmp_path.iterdir()} == {ours, theirs}
