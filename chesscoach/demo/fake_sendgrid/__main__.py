"""`python -m chesscoach.demo.fake_sendgrid`: the stand-in as a process of its own.

For measurements in which the sender is killed: what it takes is on file before the reply goes out.
Its first line is its URL, its second the verification key of its Event Webhook.
"""

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import click

from chesscoach.demo.fake_sendgrid.server import FakeSendGrid


async def serve(port: int, stand_in: FakeSendGrid) -> None:
    """Answers until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with stand_in.serve(port):
        click.echo(stand_in.url)
        click.echo(stand_in.events_key)
        await stopped.wait()


@click.command()
@click.option("--port", default=0, help="Where to listen on 127.0.0.1; 0: any.")
@click.option("--delay", "delay_s", default=0.0, help="Seconds that each reply takes.")
@click.option("--key", default="SG.stand-in", help="The key that it accepts.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that gets the outbox id of each mail, a line each.",
)
def main(port: int, delay_s: float, key: str, record: Path | None) -> None:
    """Take mail as SendGrid does, and send nothing; SIGTERM ends it."""
    with ExitStack() as stack:
        file: TextIO | None = None
        if record is not None:
            file = stack.enter_context(record.open("a", encoding="utf-8"))
        # Not kept: a benchmark's hundred thousand mails would fill the memory.
        stand_in = FakeSendGrid(key=key, delay_s=delay_s, keep=False, record=file)
        asyncio.run(serve(port, stand_in))


if __name__ == "__main__":
    main(prog_name="python -m chesscoach.demo.fake_sendgrid")
