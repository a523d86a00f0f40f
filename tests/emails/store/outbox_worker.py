"""A process that puts the same emails into the outbox over and over, for tests to start several of.

Usage: python -m tests.emails.store.outbox_worker USERS TIMES, with MONGO_URL and DB_NAME.
"""

import asyncio
import sys

from chesscoach import config
from chesscoach.context import open_context
from chesscoach.emails.store.outbox_values import NewEmail
from chesscoach.schedules.iso_week import Week

WEEK = Week(2026, 47)


async def main(users: int, times: int) -> None:
    """See the module."""
    async with open_context(config.load()) as ctx:
        for _ in range(times):
            for start in range(0, users, 500):
                page = [
                    NewEmail(kind="weekly_summary", user_id=f"u{number:05}", week=WEEK)
                    for number in range(start, min(start + 500, users))
                ]
                await ctx.emails.outbox.enqueue(page, ctx.now())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
