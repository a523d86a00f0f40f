from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from datetime import tzinfo

class Cron:
    def __init__(
        self,
        spec: str,
        func: Callable[[], Awaitable[object]] | None = ...,
        *,
        loop: AbstractEventLoop | None = ...,
        tz: tzinfo | None = ...,
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
