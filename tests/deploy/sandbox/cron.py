"""Debian's cron and its log, for one go: every line of every user's table, as if its time had come.

What is left out: the times. The lines themselves are run by the table's own shell, as its user, in
the folder and the environment that cron gives to a user without a home (as seen of cron 3.0pl1);
`logger` is the system's own and finds /dev/log.
"""

import re
import socket
import subprocess
from pathlib import Path
from pwd import getpwnam

_CRONTABS = Path("/var/spool/cron/crontabs")
_TIMES_PATTERN = re.compile(r"(?:\S+\s+){5}(?=\S)")


def open_log() -> socket.socket:
    """Listens where syslog does."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**21)
    listening.bind("/dev/log")
    Path("/dev/log").chmod(0o666)
    return listening


def run_lines(log: socket.socket) -> tuple[int, str]:
    """Runs all lines; returns the first exit code that is not 0, and the log."""
    code, output = 0, []
    for table in sorted(_CRONTABS.iterdir()):
        person = getpwnam(table.name)
        environment = {
            "HOME": person.pw_dir,
            "LOGNAME": table.name,
            "SHELL": "/bin/sh",
            "PATH": "/usr/bin:/bin",
        }
        for line in table.read_text().splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            if found := re.fullmatch(r"([A-Z_]+)=(.*)", line):
                environment[found[1]] = found[2]
                continue
            times = _TIMES_PATTERN.match(line)
            assert times is not None, line
            command = line[times.end() :]
            assert "%" not in command, "cron would end the line there"
            done = subprocess.run(
                [environment["SHELL"], "-c", command],
                user=person.pw_uid,
                group=person.pw_gid,
                extra_groups=[],
                cwd=_CRONTABS.parent,
                env=environment,
                capture_output=True,
                text=True,
            )
            code = code or done.returncode
            output += [f"+ {command}", done.stdout, done.stderr, *_read_log(log)]
            # What a line prints is mailed: ours go to the log.
            assert not done.stdout + done.stderr, done
    return code, "\n".join(output)


def _read_log(log: socket.socket) -> list[str]:
    """All that has come; `logger` has ended, so nothing more does."""
    log.setblocking(False)
    found = []
    while True:
        try:
            found.append(log.recv(2**17).decode())
        except BlockingIOError:
            return found
