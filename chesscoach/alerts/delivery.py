"""Sends the stored messages to every receiver, within the limit of an hour, until accepted."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from chesscoach import log
from chesscoach.alerts.alert import Message
from chesscoach.alerts.context import AlertContext
from chesscoach.alerts.receivers import Receiver
from chesscoach.alerts.store.alerts import ClaimedMessage
from chesscoach.errors import AlertRefused

_FIRST_RETRY, _MAX_RETRY = timedelta(seconds=30), timedelta(hours=1)
_GIVE_UP_AFTER = timedelta(hours=24)
_OTHER_PROCESS_DELAY = timedelta(minutes=1)
"""How long a message waits for another process, whose settings have the receivers it is for."""


class Delivery:
    """Sends messages; any number of processes may do this at a time."""

    def __init__(self, ctx: AlertContext, receivers: Sequence[Receiver]) -> None:
        self._ctx = ctx
        self._receivers = {receiver.name: receiver for receiver in receivers}

    async def send_due(self) -> None:
        """Sends what is due, until a receiver fails: what is left is sent the next time.

        A process without receivers leaves the messages to those that have some.

        Raises:
            StoreUnavailable: MongoDB does not answer.
        """
        if not self._receivers:
            return
        held = 0
        while (claimed := await self._ctx.alerts.claim(self._ctx.now())) is not None:
            if await self._is_old(claimed):
                continue
            if not await self._has_place(claimed):
                held += 1
            elif not await self._send(claimed):
                break
        if held:
            limit = self._ctx.settings.max_per_hour
            log.get_logger().warning("alerts_held", causes=held, max_per_hour=limit)

    async def _is_old(self, claimed: ClaimedMessage) -> bool:
        """Whether a message has waited for a day; then it is given up."""
        waiting = claimed.waiting
        if self._ctx.now() - waiting.message.at < _GIVE_UP_AFTER:
            return False
        if waiting.receivers is not None:
            log.get_logger().error(
                "alert_given_up", alert=waiting.message.id, cause=waiting.message.cause
            )
        await self._ctx.alerts.finish(claimed, self._ctx.now())
        return True

    async def _has_place(self, claimed: ClaimedMessage) -> bool:
        """Whether a message may be sent in this hour; if not, it is held back."""
        if claimed.waiting.counted:
            return True
        limit = self._ctx.settings.max_per_hour
        free_at = await self._ctx.alerts.reserve_place(self._ctx.now(), limit)
        if free_at is not None:
            await self._ctx.alerts.postpone(claimed, free_at)
            return False
        await self._ctx.alerts.mark_counted(claimed)
        return True

    async def _send(self, claimed: ClaimedMessage) -> bool:
        """Sends a message to its receivers; whether all accepted it."""
        waiting, now = claimed.waiting, self._ctx.now()
        left = [name for name in waiting.receivers or () if name not in self._receivers]
        wanted = [name for name in waiting.receivers or self._receivers if name in self._receivers]
        message = await self._with_held_count(waiting.message)
        accepted = await asyncio.gather(*(self._send_to(name, message, now) for name in wanted))
        refused = [name for name, done in zip(wanted, accepted, strict=True) if not done]
        if refused:
            pause = min(_FIRST_RETRY * 2 ** min(waiting.attempts, 10), _MAX_RETRY)
            await self._ctx.alerts.record_refusal(claimed, [*left, *refused], now + pause)
        elif left:
            await self._ctx.alerts.record_refusal(claimed, left, now + _OTHER_PROCESS_DELAY)
        else:
            await self._ctx.alerts.finish(claimed, self._ctx.now())
        return not refused

    async def _send_to(self, name: str, message: Message, now: datetime) -> bool:
        try:
            await self._receivers[name].send(message, now)
        except AlertRefused as error:
            self._ctx.metrics.alert_messages.labels(name.partition(":")[0], "failed").inc()
            log.get_logger().warning(
                "alert_not_sent",
                channel=name,
                alert=message.id,
                cause=message.cause,
                reason=str(error),
            )
            return False
        self._ctx.metrics.alert_messages.labels(name.partition(":")[0], "sent").inc()
        return True

    async def _with_held_count(self, message: Message) -> Message:
        """The message, which says how many others the limit of an hour holds back."""
        now, limit = self._ctx.now(), self._ctx.settings.max_per_hour
        held = await self._ctx.alerts.count_held(now, limit)
        if not held:
            return message
        notice = f"{held} more held back: [alerts] max_per_hour is {limit}"
        return replace(message, summary=f"{message.summary} ({notice})")
