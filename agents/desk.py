"""The desk an agent works at: all it may touch, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from agents.duty import Duty
from agents.model import Completion, LanguageModel
from agents.settings import DeskSettings
from agents.writer import OrderWriter
from context import ContextBook, Synthesis
from domain.candle import Timeframe
from domain.decision import Episode, Opinion
from domain.effects import Effects
from domain.instrument import Instrument
from domain.portfolio import Portfolio
from domain.sizing import OrderCaps
from memory.ledger.orders import OrderRecord
from policy.market import VenueSignal
from tools.quotes import QuoteReading
from tools.toolbox import Toolbox


class Memory(Protocol):
    """What an agent may remember and have kept."""

    def archive(self, synthesis: Synthesis, completion: Completion[Opinion], *, subject: str) -> str:
        """Keep what a model was shown and what it answered. Returns the snapshot's id."""
        ...

    def episodes(self, symbol: str) -> Sequence[Episode]:
        """Closed trades of a symbol before this cycle, oldest first, bounded."""
        ...

    async def closed_trades(self) -> Sequence[Episode]:
        """Trades that the fills of this cycle closed; they are kept as episodes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One agent's place in one cycle, bound to a node and a subject for its effects."""

    cycle: int
    as_of: datetime
    timeframe: Timeframe
    universe: tuple[str, ...]
    instruments: Mapping[str, Instrument]
    portfolio: Portfolio | None
    """Not always `priced`: a position without a mark can be left, and nothing can be entered beside it."""
    working: tuple[OrderRecord, ...]
    """Orders that may still trade."""
    just_closed: frozenset[str]
    """Symbols whose position went flat since the last cycle."""
    duty: Duty
    """What must be done in this cycle whatever anyone thinks of the market."""
    effects: Effects
    tools: Toolbox
    model: LanguageModel
    context: ContextBook
    orders: OrderWriter
    memory: Memory
    settings: DeskSettings
    venue_stops: frozenset[str] = frozenset()
    """Symbols in which the venue holds stops for us; in the others they are watched at each tick."""
    attaches: frozenset[str] = frozenset()
    """Symbols in which the venue attaches stop and target to an entry, and holds both as one order."""
    suspended: Mapping[str, str] = field(default_factory=dict)
    """By symbol, why the venue does not trade it: nothing is entered or exited there."""
    caps: Mapping[str, OrderCaps] = field(default_factory=dict)
    """By symbol, what the policy allows one order that exits; none for the others."""
    stops: dict[str, Decimal] = field(default_factory=dict)
    """Where Risk found the stops of what is held to stand: for who watches prices until the next cycle."""
    venue_signals: dict[str, tuple[VenueSignal, ...]] = field(default_factory=dict)
    """What Signal found in this cycle by venue data alone: for Risk, and for the gate."""
    dated: Mapping[str, QuoteReading] = field(default_factory=dict)
    """Quotes of earlier cycles, of symbols that show none in this one: for exits and protection, and nothing else."""
