"""A forked process is like one that `python -m` starts."""

import signal
from pathlib import Path

from tests.support.forked_process import fork

MODULE = """
import os, sys, time
print(sys.argv[1:], os.environ["WORD"], os.getcwd(), __name__, flush=True)
print("trouble", file=sys.stderr, flush=True)
if sys.argv[1] == "sleep":
    time.sleep(60)
sys.exit(7)
"""


async def test_it_has_arguments_environment_folder_and_exit_code_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "spoken.py").write_text(MODULE)

    process = await fork(("spoken", "a", "b"), {"WORD": "hello"})
    out, err = await process.communicate()

    assert out.decode() == f"['a', 'b'] hello {tmp_path} __main__\n"
    assert err == b"trouble\n"
    assert process.returncode == await process.wait() == 7


async def test_a_signal_ends_it_and_is_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "spoken.py").write_text(MODULE)
    process = await fork(("spoken", "sleep"), {"WORD": "hello"})
    assert await process.stdout.readline()
    assert process.returncode is None

    process.send_signal(signal.SIGKILL)

    assert await process.wait() == -signal.SIGKILL
    await process.communicate()
