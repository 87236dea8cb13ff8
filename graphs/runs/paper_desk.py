"""A paper desk for notebooks and scripts: agents at one moment of a market, without a graph and without a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Self

from agents.desk import Desk
from context import Synthesis
from domain.candle import Candle
from domain.decision import Proposal, Thesis
from domain.errors import UsageError
from graphs.runs.open import prepare, start
from graphs.session.options import RunOptions
from graphs.session.profiles import policy_in_effect
from graphs.session.session import Session
from graphs.trading.cycle import Cycle
from graphs.trading.gate import FIRST, gate
from graphs.trading.graph import tick
from memory.store.database import Database
from policy import Policy, Verdict


class PaperDesk:
    """One account on paper at one bar. `desk` gives each agent its place; nothing outlives the process."""

    def __init__(self, session: Session, ticks: AsyncIterator[datetime], cycle: Cycle) -> None:
        """Not for callers: `open` makes one."""
        self._session = session
        self._ticks = ticks
        self.cycle = cycle
        self._looks = 0

    @classmethod
    async def open(
        cls,
        market: str = "sim",
        *,
        symbols: Sequence[str] | None = None,
        timeframe: str | None = None,
        model: str = "rules",
        seed: int = 7,
        bar: int = 0,
        policy: Policy | None = None,
    ) -> Self:
        """A desk on `market`, `bar` bars after the first that a run would decide on.

        Raises what a run would: `NotFound` and `UsageError` for a market, symbol or model that is not
        there, and `UsageError` when the market ends before `bar`.
        """
        options = RunOptions(
            policy=policy or policy_in_effect(None),
            market=market,
            symbols=None if symbols is None else tuple(symbols),
            timeframe=timeframe,
            model=model,
            seed=seed,
        )
        header, opened, language_model = await prepare(options, run_id="paper-desk", at=datetime.now(UTC))
        ticks = opened.ticks()
        for _ in range(bar):
            await _next(ticks)
        as_of = await _next(ticks)
        session = await start(header, opened, language_model, database=await Database.in_memory())
        return cls(session, ticks, await _begin(session, 0, as_of=as_of, seal=header.config_digest))

    @property
    def as_of(self) -> datetime:
        """The moment: nothing that came later can be seen."""
        return self.cycle.as_of

    async def advance(self) -> None:
        """Go on to the next bar, with an empty book of evidence. Raises `UsageError` when there is none."""
        number = self.cycle.number + 1
        as_of = await _next(self._ticks)
        self.cycle = await _begin(self._session, number, as_of=as_of, seal=self.cycle.previous_seal)
        self._looks = 0

    def desk(self, node: str, subject: str = "") -> Desk:
        """The place of one agent; Research works on a `subject`, its symbol."""
        return self.cycle.desk(node, subject)

    async def gate(self, proposals: Sequence[Proposal], *, theses: Sequence[Thesis] = ()) -> tuple[Verdict, ...]:
        """The gate's word on each proposal. Entries need signals of venue data: let Signal look at this bar first.

        What the `theses` cite counts as well, where the policy asks for it. Every call reads the account anew: what
        was allowed before at this bar is a working order.
        """
        look, self._looks = self._looks, self._looks + 1
        node = f"{FIRST}_{look}" if look else FIRST
        return (await gate(proposals, self.cycle, node=node, theses=theses, look=look)).verdicts

    def context(self, symbol: str) -> Synthesis:
        """The context that a model was last shown for `symbol`. Raises `KeyError` before it was asked."""
        return self.cycle.contexts[symbol]

    async def candles(self, symbol: str, *, limit: int = 200) -> Sequence[Candle]:
        """The last closed bars at this moment, oldest first."""
        return await self._session.market.candles(symbol, limit=limit, until=self.as_of)

    async def close(self) -> None:
        await self._session.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


async def _next(ticks: AsyncIterator[datetime]) -> datetime:
    as_of = await anext(ticks, None)
    if as_of is None:
        raise UsageError("the market ends before that bar", remedy="Choose an earlier one")
    return as_of


async def _begin(session: Session, number: int, *, as_of: datetime, seal: str) -> Cycle:
    """A cycle at `as_of` that has taken stock."""
    session.clock.set(as_of)
    await session.tape.begin_cycle(number)
    cycle = Cycle(session=session, number=number, as_of=as_of, previous_seal=seal)
    await tick({}, cycle)
    return cycle
