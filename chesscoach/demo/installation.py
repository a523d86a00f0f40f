"""The demo's installation: its settings, and the players who link accounts."""

from datetime import timedelta

from msgspec.structs import replace

from chesscoach.config import (
    ChesscomSettings,
    Config,
    DatabaseSettings,
    EmailSettings,
    LichessSettings,
    ProcessEnvironment,
    Settings,
    SourceSettings,
    WebSettings,
)
from chesscoach.context import Context
from chesscoach.sources.game import Platform

FOLDER = ".chesscoach/demo"
BOOKED_PERIOD = timedelta(days=21)
"""As far back as the sample players have analyses."""


def demo_settings(
    lichess_url: str, chesscom_url: str, web: WebSettings | None = None, folder: str = FOLDER
) -> Settings:
    """The settings of the demo, on the fakes of the sources.

    Args:
        lichess_url: where Lichess is.
        chesscom_url: where Chess.com is.
        web: where a daemon listens, if not at the default address.
        folder: where the data and the emails are.
    """
    config = Config(
        database=DatabaseSettings(name="chesscoach_demo", embedded_dir=f"{folder}/mongo"),
        sources=SourceSettings(
            contact="demo@localhost",
            lichess=LichessSettings(base_url=lichess_url),
            chesscom=ChesscomSettings(base_url=f"{chesscom_url}/pub"),
        ),
        emails=EmailSettings(
            public_url="https://coach.example.org",
            signing_key="of the demo alone",
            outbox_dir=f"{folder}/outbox",
        ),
        web=web or WebSettings(),
    )
    active = replace(config.schedules["sync_active"], enabled=True)
    schedules = {**config.schedules, "sync_active": active}
    return Settings(config=replace(config, schedules=schedules), process=ProcessEnvironment())


async def link_members(ctx: Context, members: list[tuple[str, str, str]]) -> None:
    """Links the sample players to their names on Lichess and Chess.com."""
    for user_id, *names in members:
        linked: dict[Platform, str | None] = {}
        linked |= {"lichess": names[0]} if names[0] else {}
        linked |= {"chess.com": names[1]} if names[1] else {}
        await ctx.users.link(user_id, linked)
