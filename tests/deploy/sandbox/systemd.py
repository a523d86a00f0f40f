"""The units under the systemd of that machine, beyond the lines of docs/deployment."""

import subprocess
from pathlib import Path

_UNIT_FOLDER = Path("/etc/systemd/system")


def run_units(code: int) -> tuple[int, str]:
    """Each schedule's run, and the daemon's end; an exit code, and all that was said.

    After a failure of the lines (a `code` that is not 0) it tells the journal.
    """
    said = []
    timers = sorted(path.stem for path in _UNIT_FOLDER.glob("chesscoach@*.timer"))
    assert timers
    commands = [["systemctl", "start", f"{unit}.service"] for unit in timers]
    commands += [["systemctl", "start", f"{unit}.timer"] for unit in timers]
    commands += [["systemctl", "is-active", "chesscoach.service"]]
    commands += [["systemctl", "is-active", f"{unit}.timer"] for unit in timers]
    commands += [["systemctl", "stop", "chesscoach.service"]]
    # `failed` is what it would be after another exit code than 0, or a kill.
    commands += [["sh", "-c", 'test "$(systemctl is-active chesscoach.service)" = inactive']]
    for command in commands:
        if code:
            break
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        code = done.returncode
        said.append(f"$ {' '.join(command)}\n{done.stdout}")
    if code:
        journal = ["journalctl", "--no-pager", "--output", "cat"]
        said.append(subprocess.run(journal, stdout=subprocess.PIPE, text=True).stdout)
    return code, "".join(said)
