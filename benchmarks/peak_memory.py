"""`python -m benchmarks.peak_memory MODULE [ARG ...]`: `python -m MODULE` and its peak memory.

The last line on stderr is `peak_kb=`. The module's exit code stays.
"""

import resource
import runpy
import sys
from pathlib import Path


def peak_kb() -> int:
    """The most memory that this process has had resident, in kB of 1024 bytes.

    On Linux the kernel's figure for the program that runs now. `ru_maxrss` outlives exec there: it
    is never less than what the process that started this one held at that time.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # bytes on macOS


if __name__ == "__main__":
    del sys.argv[0]
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    finally:
        print(f"peak_kb={peak_kb()}", file=sys.stderr)
