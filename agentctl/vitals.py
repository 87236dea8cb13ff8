"""How a run's exchange is doing, kept in a small file while the run goes on: for `doctor`, in another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from domain.value import Instant, Value
from graphs.session.session import Session
from memory.store.private import private_file
from venues.exchange.account import ExchangeVenue
from venues.exchange.account.health import Health
from venues.exchange.failover import FailoverMarket
from venues.exchange.market import ExchangeMarket
from venues.exchange.stream_health import ShardState, StreamHealth
from venues.files.text_file import read_text

_EVERY_S: Final = 5.0
_GONE_AFTER: Final = timedelta(seconds=60)
"""Written so long ago, its run has died without a word."""


class Vitals(Value):
    """One run's exchange as the run finds it."""

    run_id: str
    at: Instant
    shown_by: str
    """The exchange that shows the market at the moment."""
    venue: Health | None
    """Where orders go to an exchange."""
    streams: tuple[StreamHealth, ...]

    def well(self, *, now: datetime) -> bool:
        """Whether nothing is left alone or unheard, as far as the run still says so. What just began may connect."""
        return not self.alive(now=now) or (
            (self.venue is None or self.venue.breaker == "closed")
            and all(stream.well or stream.connecting(at=self.at) for stream in self.streams)
        )

    def alive(self, *, now: datetime) -> bool:
        return now - self.at < _GONE_AFTER

    def in_words(self, *, now: datetime) -> str:
        if not self.alive(now=now):
            return f"run {self.run_id} said nothing since {self.at:%Y-%m-%d %H:%M:%S}: it is no longer running"
        parts = [f"run {self.run_id} is shown the market by {self.shown_by}"]
        if (venue := self.venue) is not None:
            failed = f" after {venue.failures} failures, the last {venue.last_error}" if venue.failures else ""
            parts.append(f"breaker {venue.breaker}{failed}")
            parts.append(f"{venue.bucket:.0f} calls free, {venue.reserve:.0f} kept for cancels")
        for stream in self.streams:
            connecting = "connecting, " if stream.connecting(at=self.at) else ""
            live = sum(shard.state is ShardState.LIVE for shard in stream.shards)
            parts.append(
                f"streams {connecting}{live} of {len(stream.shards)} live, "
                f"{stream.gaps} gaps, {stream.reconnects} reconnects"
                + (f", ended by {stream.failed}" if stream.failed else "")
            )
        return "; ".join(parts)


def vitals_of(session: Session) -> Vitals | None:
    """`None` for a market that is no exchange."""
    market, venue = session.market, session.venue
    if not isinstance(market, ExchangeMarket | FailoverMarket):
        return None
    return Vitals(
        run_id=session.header.run_id,
        at=session.wall.now(),
        shown_by=market.active if isinstance(market, FailoverMarket) else market.name,
        venue=venue.health() if isinstance(venue, ExchangeVenue) else None,
        streams=tuple(market.heard),
    )


@asynccontextmanager
async def publish_vitals(folder: Path, look: Callable[[], Vitals | None]) -> AsyncGenerator[None]:
    """While entered, a file of `folder` says what `look` finds; gone at the end, it stays when the process dies."""
    first = look()
    if first is None:
        yield
        return
    file = folder / f"exchange-{first.run_id}.json"
    telling = asyncio.create_task(_tell(file, look))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        file.unlink(missing_ok=True)


async def _tell(file: Path, look: Callable[[], Vitals | None]) -> None:
    while True:
        vitals = look()
        if vitals is not None:
            draft = file.with_suffix(".new")
            with suppress(OSError):  # what is only told must not end the run; doctor sees by its age that it is old
                private_file(draft)
                draft.write_text(vitals.model_dump_json())
                draft.replace(file)
        await asyncio.sleep(_EVERY_S)


def vitals_in(folder: Path) -> Iterator[Vitals]:
    """What runs of this folder say, or said last."""
    for file in sorted(folder.glob("exchange-*.json")):
        with suppress(OSError, ValueError):  # gone meanwhile, or of another version
            yield Vitals.model_validate_json(read_text(file))
