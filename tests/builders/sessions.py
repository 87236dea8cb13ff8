"""Sessions and cycles of a real run in memory, stopped at one bar, with a hand on what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.desk import Desk
from agents.model import LanguageModel
from builders.account_venue import ScriptedAccount
from builders.desks import supporting
from builders.runs import options
from builders.tools import Naps
from domain.candle import Candle, Headline, Quote
from domain.clock import TickClock
from domain.decision import Proposal
from domain.errors import VenueUnavailable
from domain.instrument import Instrument
from domain.money import floor_to
from domain.venue import Market
from graphs import build, prepare, start
from graphs.runs.open_live import LiveDesk, went_live
from graphs.session.clocks import RunningClock
from graphs.session.session import Session
from graphs.trading.cycle import Cycle
from graphs.trading.events import Event
from graphs.trading.graph import tick
from graphs.trading.state import CycleState
from memory import Database
from memory.operators.armings import Armings
from policy import TicketOffice
from tools.resilience import Plumbing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BTC, ETH = "BTC/USDT", "ETH/USDT"


class MuteMarket:
    """`market` without quotes for some symbols."""

    def __init__(self, market: Market, *, mute: Sequence[str]) -> None:
        self._market = market
        self.mute = set(mute)
        self.name, self.timeframe, self.notes = market.name, market.timeframe, market.notes

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._market.instruments()

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return await self._market.candles(symbol, limit=limit, until=until)

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        if symbol in self.mute:
            raise VenueUnavailable(f"{symbol} has no quote")
        return await self._market.quote(symbol, as_of=as_of)

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        return await self._market.headlines(since=since, until=until)

    def ticks(self, *, after: datetime | None = None) -> Any:
        return self._market.ticks(after=after)


class MovedMarket(MuteMarket):
    """`market` with every quote moved by a part of its price."""

    def __init__(self, market: Market, *, by: Decimal) -> None:
        super().__init__(market, mute=())
        self._factor = 1 + by

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        seen = await super().quote(symbol, as_of=as_of)
        return seen.model_copy(update={"bid": seen.bid * self._factor, "ask": seen.ask * self._factor})


class WideMarket(MuteMarket):
    """`market` with every bid lower by a part of its price."""

    def __init__(self, market: Market, *, by: Decimal) -> None:
        super().__init__(market, mute=())
        self._factor = 1 - by

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        seen = await super().quote(symbol, as_of=as_of)
        return seen.model_copy(update={"bid": seen.bid * self._factor})


@dataclass(slots=True)
class CrashingCycle(Cycle):
    """A cycle in which the desks of some nodes break."""

    crashes: tuple[str, ...] = ()

    def desk(self, node: str, subject: str = "") -> Desk:
        if node in self.crashes or f"{node}:{subject}" in self.crashes:
            raise RuntimeError(f"the desk of {node} broke")
        return Cycle.desk(self, node, subject)


@asynccontextmanager
async def a_session(*, mute: Sequence[str] = (), model: LanguageModel | None = None, **over: Any) -> Any:
    """A new run of BTC and ETH on the simulation, in memory, without a real sleep."""
    header, market, asked = await prepare(options(**{"symbols": (BTC, ETH)} | over), run_id="r1", at=NOW)
    async with await Database.in_memory() as database:
        session = await start(header, MuteMarket(market, mute=mute), model or asked, database=database)
        session.plumbing = Plumbing(session.clock, sleep=Naps())
        yield session


async def a_cycle(session: Session, number: int = 0, *, bar: int = 0, crashes: tuple[str, ...] = ()) -> CrashingCycle:
    """The cycle at a bar of the market, its clock set and its tape begun; nothing has run yet."""
    ticks = session.market.ticks()
    for _ in range(bar):
        await anext(ticks)
    as_of = await anext(ticks)
    session.clock.set(as_of)
    await session.database.flush()
    await session.tape.begin_cycle(number)
    return CrashingCycle(
        session=session, number=number, as_of=as_of, previous_seal=session.header.config_digest, crashes=crashes
    )


async def at_the_gate(session: Session, number: int = 0, *, bar: int = 0) -> CrashingCycle:
    """A cycle that has taken stock, in which venue data supports buying."""
    cycle = await a_cycle(session, number, bar=bar)
    await tick({}, cycle)
    cycle.venue_signals.update(dict.fromkeys(session.universe, supporting()))
    return cycle


async def passed(cycle: Cycle) -> tuple[CycleState, list[Event]]:
    """One pass through the whole graph: the state it ended in, and what it told."""
    state: CycleState = {}
    heard: list[Event] = []
    async for mode, chunk in build().astream({}, context=cycle, stream_mode=["custom", "values"]):
        if mode == "values":
            state = chunk  # type: ignore[assignment]
        else:
            heard.append(chunk)  # type: ignore[arg-type]
    return state, heard


async def an_entry(cycle: Cycle, symbol: str = BTC, *, share: str = "0.05", **over: Any) -> Proposal:
    """A buy of a share of the starting cash at most 10 bps beyond the ask, with a stop two per cent away and a target
    five, on a decision that nobody looks up.
    """
    seen = await cycle.session.market.quote(symbol, as_of=cycle.as_of)
    instrument = cycle.session.settings.instruments[symbol]
    limit, stop, target = (
        floor_to(price, instrument.tick_size)
        for price in (seen.ask * Decimal("1.001"), seen.bid * Decimal("0.98"), seen.ask * Decimal("1.05"))
    )
    exit = over.get("reduce_only", False)
    entry = {} if exit else {"type": "limit", "limit_price": limit, "time_in_force": "IOC", "target_price": target}
    lots = cycle.session.header.start_cash * Decimal(share) / seen.ask // instrument.lot_size
    given = {
        "cycle": cycle.number,
        "as_of": cycle.as_of,
        "agent": "risk",
        "symbol": symbol,
        "side": "buy",
        "type": "market",
        "quantity": lots * instrument.lot_size,
        "stop_price": stop,
        "conviction": Decimal("0.8"),
        "reference_price": seen.mid,
        "snapshot": "5" * 64,
        "cause": "flatten" if over.get("reduce_only") else None,
    }
    return Proposal.model_validate(given | entry | over)


@asynccontextmanager
async def a_live_session(account: ScriptedAccount, *, adopt: Sequence[str] = (), **over: Any) -> Any:
    """A new live run of BTC and ETH on an account, in memory: the simulation shows the market. Armed for a day."""
    header, market, model = await prepare(options(**{"symbols": (BTC, ETH)} | over), run_id="r1", at=NOW)
    async with await Database.in_memory() as database:
        await Armings(database).arm("sim", until=NOW + timedelta(days=1), by="Ada", reason="a trial", at=NOW)
        header = await went_live(header, a_live_desk(account), database=database, adopt=adopt, at=NOW)
        session = await start(header, market, model, database=database, desk=a_live_desk(account))
        session.plumbing = Plumbing(session.clock, sleep=Naps())
        session.wall = TickClock(NOW)
        yield session


def a_live_desk(account: ScriptedAccount) -> LiveDesk:
    """Its clock follows the account's."""
    office = TicketOffice(b"k" * 32, ttl_s=60)
    return LiveDesk(venue=account, office=office, clock=RunningClock(account, at=datetime(1970, 1, 1, tzinfo=UTC)))
