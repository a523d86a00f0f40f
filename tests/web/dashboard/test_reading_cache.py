"""One task reads; who asks meanwhile gets the old value, but never one from before a change."""

import asyncio
from datetime import UTC, datetime

from chesscoach.errors import StoreUnavailable
from chesscoach.web.dashboard.reading_cache import ReadingCache

NOW = datetime(2026, 10, 21, tzinfo=UTC)


class Source:
    """What is read: a number that grows with each reading, or an error."""

    def __init__(self) -> None:
        self.reads = 0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def read(self) -> int:
        """Returns the number of readings so far, this one included."""
        self.reads += 1
        number = self.reads
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return number


def make_cache(source: Source) -> ReadingCache[int]:
    return ReadingCache(source.read, lambda: NOW)


async def test_concurrent_requests_cause_one_reading() -> None:
    source = Source()
    cache = make_cache(source)
    readings = await asyncio.gather(*(cache.get() for _ in range(50)))
    assert {reading.value for reading in readings} == {1}
    assert source.reads == 1


async def test_a_value_from_before_a_change_is_not_served_after_it() -> None:
    source = Source()
    cache = make_cache(source)
    await cache.get()
    cache.expire()
    assert (await cache.get()).value == 2


async def test_a_reading_that_began_before_a_change_does_not_count() -> None:
    source = Source()
    source.open.clear()
    cache = make_cache(source)
    first = asyncio.create_task(cache.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cache.expire()
    second = asyncio.create_task(cache.get())
    await asyncio.sleep(0)
    source.open.set()
    assert [(await first).value, (await second).value] == [1, 2]


async def test_a_failure_is_returned_with_the_old_value_until_the_next_reading() -> None:
    source = Source()
    cache = make_cache(source)
    await cache.get()
    source.error = StoreUnavailable("it does not answer")
    cache.expire()
    reading = await cache.get()
    assert (reading.value, reading.failure, reading.failed_at) == (1, "it does not answer", NOW)
    source.error = None
    cache.expire()
    reading = await cache.get()
    assert (reading.value, reading.failure) == (3, None)


async def test_the_end_of_the_process_ends_a_reading() -> None:
    source = Source()
    source.open.clear()
    cache = make_cache(source)
    waiting = asyncio.create_task(cache.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await cache.close()
    assert await asyncio.wait({waiting}, timeout=1) == ({waiting}, set())
    assert waiting.cancelled()
