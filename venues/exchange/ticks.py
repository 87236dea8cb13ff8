"""When to look at an exchange: once after each bar has closed, and between bars when something is urgent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from domain.candle import Timeframe, last_close
from domain.clock import Clock, Sleep
from venues.exchange.early_tick import Urgency
from venues.exchange.feed import GRACE
from venues.exchange.snapshot import Look

_PAUSES_S = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Between looks at an exchange that answers nothing."""
_NAP_S = 30.0
"""The longest sleep in one piece: a machine that was suspended finds out soon what time it is."""


class Looker(Protocol):
    """Who looks."""

    @property
    def name(self) -> str: ...

    @property
    def ahead(self) -> timedelta:
        """The exchange's clock less ours, as last measured."""
        ...

    def connected(self) -> AbstractAsyncContextManager[object]:
        """Around everything that is asked for one look."""
        ...

    async def compare_clocks(self) -> None: ...

    async def look(self, close: datetime, *, after: datetime | None) -> Look | None:
        """What there is once the bar that closes at `close` is there, later than `after`; `None` without an answer."""
        ...

    def keep(self, look: Look) -> None:
        """The look is the newest one from now on."""
        ...


class Ticks:
    """Waits, and has `looker` look. What it waits for is told in words."""

    def __init__(
        self,
        looker: Looker,
        timeframe: Timeframe,
        *,
        wall: Clock,
        sleep: Sleep,
        urgency: Urgency,
        tell: Callable[[str], None],
    ) -> None:
        self._looker = looker
        self._timeframe = timeframe
        self._wall = wall
        self._sleep = sleep
        self._urgency = urgency
        self._tell = tell

    async def run(self, *, after: datetime | None) -> AsyncIterator[datetime]:
        """The moments of looks, without end: see `ExchangeMarket.ticks`."""
        last_bar, failed = None if after is None else last_close(after, self._timeframe), 0
        while True:
            close = last_close(self._settled(), self._timeframe)
            if last_bar is not None:
                close = max(close, last_bar + self._timeframe.length)
            if await self._wait_for(close, early=last_bar is not None):
                early = await self._look_early(close - self._timeframe.length, after=after)
                if early is not None:
                    after = early.moment
                    yield early.moment
                continue
            look = await self._look(close, after=after)
            if look is None:
                pause_s = _PAUSES_S[min(failed, len(_PAUSES_S) - 1)]
                failed += 1
                self._tell(f"{self._looker.name} does not answer; it is asked again in {pause_s:.0f} s")
                await self._sleep(pause_s)
                continue
            last_bar, failed = close, 0
            if last_close(look.moment, self._timeframe) > close:
                self._tell(f"the bar that closed at {close:%H:%M} UTC is passed over: the next one closed meanwhile")
                continue
            self._looker.keep(look)
            after = look.moment
            yield look.moment

    async def _look(self, close: datetime, *, after: datetime | None) -> Look | None:
        self._urgency.looked()
        async with self._looker.connected():
            await self._looker.compare_clocks()
            # Once more, when the exchange's clock is found to be behind ours.
            await self._wait_for(close, early=False)
            return await self._looker.look(close, after=after)

    async def _look_early(self, close: datetime, *, after: datetime | None) -> Look | None:
        """New quotes with the bars closed by `close`; `None` when nothing answered, or another bar closed meanwhile."""
        self._urgency.looked()
        async with self._looker.connected():
            await self._looker.compare_clocks()
            look = await self._looker.look(close, after=after)
        if look is None:
            self._urgency.again()
            return None
        if last_close(look.moment, self._timeframe) > close:
            return None
        self._looker.keep(look)
        return look

    def _settled(self) -> datetime:
        """The moment that both clocks have reached."""
        return self._wall.now() + min(timedelta(0), self._looker.ahead)

    async def _wait_for(self, close: datetime, *, early: bool) -> bool:
        """Until the bar that closes at `close` is finished; with `early`, true once something is urgent before that."""
        announced = False
        while (left_s := (close + GRACE - self._settled()).total_seconds()) > 0:
            if early and self._urgency.due and self._settled() < close:
                return True
            if not announced:
                announced = True
                self._tell(f"waiting for the bar that closes at {close:%H:%M} UTC, in {_in_words(left_s)}")
            nap_s = min(left_s, _NAP_S)
            await (self._urgency.nap(nap_s, sleep=self._sleep) if early else self._sleep(nap_s))
        return False


def _in_words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{amount} {unit}" for amount, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if amount]
    return " ".join(parts[:2]) or "a moment"
