"""A server that accepts each email as SendGrid does, as a process of its own.

Usage: python -m benchmarks.sendgrid DELAY_S RECORD.

It prints its URL. Each response takes DELAY_S seconds, and each accepted email is one line in the
file RECORD, its outbox id. It checks nothing: what it costs would be measured with the client.
"""

import asyncio
import signal
import sys
from typing import TextIO

from aiohttp import web


async def serve(delay_s: float, record: TextIO) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)

    async def accept(request: web.Request) -> web.Response:
        email = await request.json()
        await asyncio.sleep(delay_s)
        for personalization in email["personalizations"]:
            record.write(f"{personalization.get('custom_args', {}).get('outbox_id', '')}\n")
        record.flush()
        return web.Response(status=202, headers={"X-Message-Id": "benchmark"})

    app = web.Application()
    app.router.add_post("/v3/mail/send", accept)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)  # its output
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with open(sys.argv[2], "a", encoding="utf-8") as file:
        asyncio.run(serve(float(sys.argv[1]), file))
