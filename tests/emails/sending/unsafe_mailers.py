"""The two orders that come to mind first, to be killed beside ours: what each costs.

`mark` writes that a mail is sent and then sends it; `send` sends it and then writes that. Twenty at
a time, and what is written is what the next process goes by.

Usage: python -m tests.emails.sending.unsafe_mailers mark|send URL COLLECTION.

The environment has MONGO_URL and DB_NAME.
"""

import asyncio
import os
import sys

import aiohttp
from motor.motor_asyncio import AsyncIOMotorClient

PAYLOAD = {
    "from": {"email": "coach@example.org"},
    "subject": "Your week",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


async def main(order: str, url: str, collection: str) -> None:
    """See the module."""
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(os.environ["MONGO_URL"])
    rows = client[os.environ["DB_NAME"]][collection]
    names = asyncio.Queue[str]()
    async for row in rows.find({"sent": False}, {"_id": 1}).sort("_id", 1):
        names.put_nowait(row["_id"])
    print("ready", flush=True)  # noqa: T201  # whoever starts it may wait for that
    headers = {"Authorization": "Bearer SG.fake", "Accept": "*/*"}

    async def send(name: str) -> None:
        to = {"to": [{"email": f"{name}@example.org"}], "custom_args": {"outbox_id": name}}
        body = PAYLOAD | {"personalizations": [to]}
        async with session.post(f"{url}/v3/mail/send", json=body) as reply:
            assert reply.status == 202

    async def mark(name: str) -> None:
        await rows.update_one({"_id": name}, {"$set": {"sent": True}})

    async def work() -> None:
        while not names.empty():
            name = names.get_nowait()
            for step in (mark, send) if order == "mark" else (send, mark):
                await step(name)

    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(work() for _ in range(20)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
