"""Runs of the weekly emails, and a fake SendGrid as a process of its own."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from pymongo import MongoClient

from benchmarks import fixtures

JOB = ("chesscoach.jobs.weekly_emails", "--json")
_PROFILE_BYTES = 64 * 1024 * 1024


class FakeSendGridProcess(Struct, frozen=True, kw_only=True):
    """The URL of a fake SendGrid, and the file with a line for each email that it accepted."""

    url: str
    record: Path

    def accepted_count(self) -> int:
        """The number of emails that it has accepted."""
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0


class EmailRun(Struct, frozen=True, kw_only=True):
    """A run of ours: its wall clock from start to exit, in seconds, and what came of it.

    `reads` are the batch reads, as the database has counted them.
    """

    emails: int
    seconds: float
    peak_kb: int
    reads: int


@asynccontextmanager
async def start_fake_sendgrid(
    folder: Path, name: str, delay_s: float
) -> AsyncIterator[FakeSendGridProcess]:
    """Start a fake SendGrid while it is entered; each of its responses takes `delay_s`."""
    record = folder / f"{name}.accepted"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sendgrid", str(delay_s), str(record), stdout=PIPE
    )
    try:
        if process.stdout is None:
            raise SystemExit("the fake SendGrid printed no URL")
        url = (await process.stdout.readline()).decode().strip()
        yield FakeSendGridProcess(url=url, record=record)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def environment(url: str, name: str, sendgrid: str = "http://127.0.0.1") -> dict[str, str]:
    """What tells a client where everything is."""
    return {
        "MONGO_URL": url,
        "DB_NAME": name,
        "SENDGRID_API_KEY": "SG.benchmark",
        "SENDER_EMAIL": "coach@example.org",
        "CHESSCOACH_EMAILS__PUBLIC_URL": "https://coach.example.org",
        "CHESSCOACH_EMAILS__SIGNING_KEY": "a benchmark's own",
        "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": sendgrid,
        "CHESSCOACH_LOG__LEVEL": "error",
    }


async def run_own_job(
    url: str, name: str, box: FakeSendGridProcess, look: Callable[[int], object]
) -> EmailRun:
    """One run of the job as a process; `look` is told how many mails have been taken.

    Raises:
        SystemExit: it failed, or its own count is not what was taken.
    """
    await asyncio.to_thread(_enable_profiling, url, name)
    env = environment(url, name, box.url)
    begun = time.monotonic()
    ended = await fixtures.run(*JOB, env=env, look=lambda: look(box.accepted_count()))
    seconds = time.monotonic() - begun
    done = json.loads(ended.out)["done"]
    if done != box.accepted_count():
        raise SystemExit(f"the job counts {done} mails, and {box.accepted_count()} were taken")
    reads = await asyncio.to_thread(_count_reads, url, name)
    return EmailRun(emails=done, seconds=seconds, peak_kb=ended.peak_kb, reads=reads)


def _enable_profiling(url: str, name: str) -> None:
    """Has the database note each command on `games`: the job has but one, the batch read."""
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        db.create_collection("system.profile", capped=True, size=_PROFILE_BYTES)
        wanted = {"op": "command", "ns": f"{name}.games"}
        db.command({"profile": 1, "filter": wanted})


def _count_reads(url: str, name: str) -> int:
    with MongoClient[dict[str, Any]](url) as client:
        client[name].command({"profile": 0})
        return client[name]["system.profile"].count_documents({})
