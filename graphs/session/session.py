"""A session: everything one run works with. `graphs.runs.open` makes them; the runner drives them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from pydantic import Field

from agents.model import LanguageModel
from agents.models import open_model
from agents.pricing import Price
from agents.settings import DeskSettings
from context import DEFAULT_LANES, Hooks, LaneSettings
from domain.candle import Timeframe
from domain.clock import Clock, CycleClock
from domain.decision import Episode
from domain.instrument import Instrument
from domain.value import Symbol, Value, absent
from domain.venue import Market, Suspends, Venue
from graphs.session.clocks import WallClock
from graphs.session.ending import CLOSING, OpenPosition
from graphs.session.model_health import ModelHealth
from graphs.session.trading_halt import Brake, braked
from memory.archive.archive import Archive
from memory.archive.tape import Tape
from memory.ledger.ledger import Ledger
from memory.ledger.orders import OrderRecord
from memory.operators.approvals import Approvals
from memory.operators.armings import Armings
from memory.operators.controls import Control, Controls
from memory.store.database import Database
from memory.store.records import Era, RunHeader
from policy import Policy, PolicyEngine, TicketOffice
from policy.account import Arming
from policy.escalation import Step
from tools.bars import candles
from tools.headlines import headlines
from tools.history import history
from tools.indicators import indicators
from tools.quotes import QuoteReading, quote
from tools.resilience import Plumbing
from tools.sessions import trading_session
from tools.tool import Tool
from venues.costs import PaperCosts

EPISODE_LIMIT: Final = 100
"""Closed trades of a symbol that are remembered for lessons."""

TOOLS: Final[tuple[Tool[Any, Any], ...]] = (candles, headlines, history, indicators, quote, trading_session)


class RunSettings(Value):
    """All that decides how a run decides, as it is kept in the run's header."""

    desk: DeskSettings
    lanes: LaneSettings = DEFAULT_LANES
    policy: Policy
    costs: PaperCosts
    instruments: Mapping[Symbol, Instrument]
    """What the venue said at the start of the run."""
    prices: Mapping[str, Price] = Field(default={}, exclude_if=absent)
    """What models cost, by name, as it was set."""


@dataclass(kw_only=True)
class Session:
    header: RunHeader
    era: Era
    settings: RunSettings
    """Those of the era."""
    asking: bool = False
    """Whether models will be asked, and so need their keys; a playback asks none."""
    database: Database
    tape: Tape
    clock: CycleClock
    market: Market
    venue: Venue
    model: LanguageModel
    plumbing: Plumbing
    office: TicketOffice
    hooks: Hooks = field(default_factory=Hooks)
    """Listeners to what happens in contexts."""
    brake: Brake = field(default_factory=Brake)
    braked: bool = False
    """Whether the brake's halt was written down."""
    closing: bool = False
    """Whether the run is ending and closes its positions first."""
    positions: tuple[OpenPosition, ...] = ()
    """What was open at the end of the last cycle."""
    out: tuple[OrderRecord, ...] = ()
    """Of a live run: the orders that could still trade at the end of the last cycle."""
    wall: Clock = field(default_factory=WallClock)
    """When people are asked and answer. Market time is `clock`."""
    authorization: Arming | None = None
    """What an operator has confirmed for this session alone, in place of an arming: a certification's."""
    health: ModelHealth = field(default_factory=ModelHealth)
    step: Step = "none"
    """How near to its loss limits the last cycle found the account."""
    last_at: datetime | None = None
    """The moment of the last cycle."""
    marks: dict[str, Decimal] = field(default_factory=dict)
    """Mark prices as last seen: what is suspended keeps its last one."""
    quotes: dict[str, QuoteReading] = field(default_factory=dict)
    """The last one of each symbol, as this process has seen them: see `graphs.trading.dated_quotes`."""
    read_until: datetime | None = None
    """Of a live account: up to when its trades were read and its balances proven, in this process."""
    _episodes: dict[str, deque[Episode]] = field(default_factory=dict)

    @cached_property
    def archive(self) -> Archive:
        return Archive(self.database)

    @cached_property
    def ledger(self) -> Ledger:
        header = self.header
        return Ledger(self.database, account=header.run_id, run_id=header.run_id, before=header.before)

    @cached_property
    def controls(self) -> Controls:
        return Controls(self.database)

    @cached_property
    def approvals(self) -> Approvals:
        return Approvals(self.database)

    @cached_property
    def armings(self) -> Armings:
        return Armings(self.database)

    @property
    def live(self) -> bool:
        """Whether it trades with money."""
        return self.header.mode == "live"

    @property
    def settles(self) -> bool:
        """Whether its venue funds and liquidates perpetuals: on paper, where a run's costs have terms for them."""
        return not self.live and self.settings.costs.perpetuals is not None

    async def armed(self) -> Arming | None:
        """A person's leave to trade with money here, as it stands now. To be read as an effect."""
        if self.authorization is not None:
            return self.authorization if self.wall.now() < self.authorization.until else None
        return await self.armings.in_force(self.header.exchange, at=self.wall.now())

    def in_force(self, control: Control) -> Control:
        """`control` as it counts and is recorded: with the brake, and with a run that is ending and closes first."""
        pulled = braked(control, self.brake)
        return CLOSING if self.closing and pulled.strictness < CLOSING.strictness else pulled

    @cached_property
    def engine(self) -> PolicyEngine:
        return PolicyEngine(self.settings.policy)

    @cached_property
    def timeframe(self) -> Timeframe:
        return Timeframe(self.header.timeframe)

    def enter(self, cycle: int) -> None:
        """Take up what decides in `cycle`, where that is another era than so far.

        Raises `UsageError` for a model that can't be asked, as one without a key.
        """
        era = self.header.era(cycle)
        if era == self.era:
            return
        self.era, self.settings = era, RunSettings.model_validate_json(era.settings)
        self.model = open_model(era.model, asking=self.asking, prices=self.settings.prices)
        self.health = ModelHealth()
        self.__dict__.pop("engine", None)  # it is of the policy before

    @property
    def suspended(self) -> Mapping[str, str]:
        """By symbol, why the venue does not trade it now, as last read. To be read as an effect."""
        sources = [source for source in (self.market, self.venue) if isinstance(source, Suspends)]
        reasons = {symbol: why for source in sources for symbol, why in source.suspended.items()}
        return {symbol: reasons[symbol] for symbol in self.universe if symbol in reasons}

    @property
    def universe(self) -> tuple[str, ...]:
        return self.header.symbols

    def episodes(self, symbol: str) -> tuple[Episode, ...]:
        """Closed trades of a symbol before this cycle, oldest first, the last `EPISODE_LIMIT`."""
        return tuple(self._episodes.get(symbol, ()))

    def forget(self) -> None:
        """The closed trades that are remembered: they are about to be read again."""
        self._episodes.clear()

    def remember(self, episodes: Iterable[Episode]) -> None:
        for episode in episodes:
            self._episodes.setdefault(episode.symbol, deque(maxlen=EPISODE_LIMIT)).append(episode)
