import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORT_ALL = """
import logging, pkgutil, signal, sys, threading

def watch(event, args):
    outside = ("socket.", "subprocess.", "os.system", "os.fork", "os.remove", "os.mkdir")
    if event.startswith(outside):
        raise SystemExit(f"{event} at import")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise SystemExit(f"{args[0]} is opened for writing at import")

import asyncio, socket, ssl, uuid  # the standard library may do as it likes
handlers = list(logging.getLogger().handlers), signal.getsignal(signal.SIGTERM)
sys.addaudithook(watch)
import chesscoach

names = [module.name for module in pkgutil.walk_packages(chesscoach.__path__, "chesscoach.")]
for name in names:
    __import__(name)
assert handlers == (list(logging.getLogger().handlers), signal.getsignal(signal.SIGTERM))
assert threading.active_count() == 1
print(*names)
"""


def test_every_module_imports_with_an_empty_environment_and_does_nothing_then() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", IMPORT_ALL],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    imported = {name.removesuffix(".__init__") for name in done.stdout.split()}
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "chesscoach").rglob("*.py")
    }
    assert imported == files - {"chesscoach"}
    assert os.listdir() == []
