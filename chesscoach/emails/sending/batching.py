"""Batching of writes: the items that arrive during one write go together with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Collects calls of one item each; the first caller handles all that have gathered.

    `handle` receives the gathered items and returns a result for each, in their order.
    """

    def __init__(self, handle: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._handle = handle
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []

    async def __call__(self, item: T) -> R:
        """Return the result for an item; an error is raised for every item of its batch."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        async with self._turn:
            if not future.done():
                await self._handle_all()
        return await future

    async def _handle_all(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            results = await self._handle([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # it is raised where the results are awaited
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
