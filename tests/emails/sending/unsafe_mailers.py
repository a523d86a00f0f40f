"""Two naive orders of sending, which a test kills beside ours.

`mark` records that an email is sent and then sends it; `send` sends it and then records that. Each
sends twenty emails at a time, and the next process continues from the records.

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
    emails = client[os.environ["DB_NAME"]][collection]
    names = asyncio.Queue[str]()
    async for email in emails.find({"sent": False}, {"_id": 1}).sort("_id", 1):
        names.put_nowait(email["_id"])
    print("ready", flush=True)  # noqa: T201  # the test waits for it
    headers = {"Authorization": "Bearer SG.fake", "Accept": "*/*"}

    async def send(name: str) -> None:
        to = {"to": [{"email": f"{name}@example.org"}], "custom_args": {"outbox_id": name}}
        body = PAYLOAD | {"personalizations": [to]}
        async with session.post(f"{url}/v3/mail/send", json=body) as response:
            assert response.status == 202

    async def mark(name: str) -> None:
        await emails.update_one({"_id": name}, {"$set": {"sent": True}})

    async def run_sender() -> None:
        while not names.empty():
            name = names.get_nowait()
            first, second = (mark, send) if order == "mark" else (send, mark)
            await first(name)
            await asyncio.sleep(0.01)  # a plain loop does other things in between
            await second(name)

    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(run_sender() for _ in range(20)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
