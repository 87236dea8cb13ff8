"""One cycle of one run: the moment, the evidence of that moment, and the desks its nodes work at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeVar

from pydantic import BaseModel, Field, TypeAdapter

from agents.desk import Desk
from agents.duty import ORDINARY, Duty
from agents.model import NOTHING, Completion, LanguageModel, Spend, completion_of
from agents.protection import Cover, cover
from agents.settings import DeskSettings
from agents.writer import Live, OrderWriter
from context import Archived, ContextBook, ModelAnswer, ModelRequest, Snapshot, Synthesis, blobs
from context.tokenizer import Tokenizer
from domain.candle import last_close
from domain.decision import Episode, Opinion
from domain.digest import canonical, digest
from domain.effects import Effects
from domain.errors import ReplayDiverged, VenueUnavailable
from domain.order import OrderReport
from domain.portfolio import Portfolio, Position
from domain.value import Symbol, Value, absent
from domain.venue import Levels
from graphs.session.model_health import Questions
from graphs.session.session import TOOLS, Session
from graphs.session.trading_day import day_start
from graphs.trading.budget import Budget, Reservation
from graphs.trading.state import CycleState
from memory.ledger.orders import OrderRecord
from memory.operators.controls import ACTIVE, Control
from policy.account import Arming
from policy.caps import order_caps
from policy.escalation import Step
from policy.market import VenueSignal
from tools.cycle_reads import CycleReads
from tools.quotes import QuoteReading
from tools.toolbox import Toolbox
from tools.view import MarketView

M = TypeVar("M", bound=BaseModel)


class Stock(Value):
    """An account as a cycle finds it."""

    portfolio: Portfolio
    working: tuple[OrderRecord, ...]
    closed: tuple[Symbol, ...] = Field(default=(), exclude_if=absent)
    """What a look at an account found to have gone flat: by trades of ours or by hand, as crumbs given up, or on paper
    by a liquidation."""
    suspended: Mapping[Symbol, str] = Field(default={}, exclude_if=absent)
    """Why the venue does not trade these symbols. A position in one is marked as it last was, or at its own price."""


_STOCK: Final = TypeAdapter(Stock)
_PAUSE: Final = TypeAdapter(str)
_MILLISECOND: Final = timedelta(milliseconds=1)
_ORDERS: Final = TypeAdapter(tuple[OrderRecord, ...])
CONTROL: Final = TypeAdapter(Control)
_ARMING: Final[TypeAdapter[Arming | None]] = TypeAdapter(Arming | None)
_SKEW: Final[TypeAdapter[Decimal | None]] = TypeAdapter(Decimal | None)


@lru_cache(maxsize=16)
def _completions(schema: type[M]) -> TypeAdapter[Completion[M]]:
    return TypeAdapter(completion_of(schema))


class RecordedModel:
    """A language model as an effect: asked once per number, and played back ever after.

    Before one that costs money is asked, the most that it may cost is reserved of the day's budget, as an effect that
    `reserving` records: a crash while it is asked leaves that behind.
    """

    def __init__(self, model: LanguageModel, effects: Effects, cycle: Cycle, *, reserving: Effects) -> None:
        self._model = model
        self._effects = effects
        self._reserving = reserving
        self._cycle = cycle
        self.name = model.name
        self.paid = model.paid

    @property
    def tokenizer(self) -> Tokenizer:
        return self._model.tokenizer

    async def ask(self, prompt: Synthesis, schema: type[M]) -> Completion[M]:
        request = {"messages": digest(prompt.messages), "schema": schema.__name__}
        reservation = Reservation(self._cycle.budget, self._model, prompt)
        if self.paid and (refusal := await reservation.granted(self._reserving)):
            return completion_of(schema)(model=self.name, failure=f"budget: {refusal}")  # not asked, and so not spent
        try:
            answer = await self._effects.once(
                f"model:{self.name}",
                request,
                returns=_completions(schema),
                perform=lambda: reservation.ask(schema),
                durable=self.paid,
            )
            self._cycle.spent(answer)
        finally:
            reservation.settle()
        return answer


@dataclass(slots=True)
class Cycle:
    """The runtime context of the trading graph."""

    session: Session
    number: int
    as_of: datetime
    previous_seal: str
    book: ContextBook = field(init=False)
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    portfolio: Portfolio | None = None
    """As this cycle finds it; a held position may lack a mark price, and then nothing can be entered."""
    working: tuple[OrderRecord, ...] = ()
    just_closed: frozenset[str] = frozenset()
    suspended: Mapping[str, str] = field(default_factory=dict)
    """By symbol, why the venue does not trade it."""
    duty: Duty = ORDINARY
    control: Control = ACTIVE
    """The trading state in force."""
    flat: bool = False
    """Whether everything is to be closed and nothing is left that could be."""
    step: Step = "none"
    reconciled_at: datetime | None = None
    """When the books were last known to be right; on a live desk `None` where its account is not proven."""
    armed: Arming | None = None
    clock_skew_ms: Decimal | None = None
    stops: dict[str, Decimal] = field(default_factory=dict)
    """Where the stops of positions were found to stand."""
    unguarded: bool = False
    """Whether a live account may hold a position whose stop is to be placed yet: no pass is ended there."""
    changed: bool = False
    """Whether anything was sent since the account was last looked at, or others may have traded on it."""
    dated: Mapping[str, QuoteReading] = field(default_factory=dict)
    """Quotes of earlier cycles, of symbols that show none in this one."""
    reads: CycleReads = field(init=False)
    venue_signals: dict[str, tuple[VenueSignal, ...]] = field(default_factory=dict)
    """What Signal found by venue data alone. Empty until it has looked."""
    contexts: dict[str, Synthesis] = field(default_factory=dict)
    """What a model was shown, by subject."""
    tokens: int = 0
    usd: Decimal | None = Decimal(0)
    """`None` once a model was asked whose price is unknown: unknown, not free."""
    budget: Budget = field(init=False)
    questions: Questions = field(default_factory=Questions)
    """What came of those to the model."""

    def __post_init__(self) -> None:
        self.budget = Budget(self.session.settings.policy.agent_budget, before=self._used_today, now=self._used)
        reading = self.session.settings.desk.reading
        self.reads = CycleReads(
            cycle_s=float(reading.cycle_s),
            read_s=float(reading.read_s),
            monotonic=self.session.plumbing.monotonic,
        )
        self.book = ContextBook(self.session.settings.lanes, hooks=self.session.hooks)

    @property
    def between_bars(self) -> bool:
        """Whether no bar has closed since the cycle before: something else called for this one."""
        last, timeframe = self.session.last_at, self.session.timeframe
        return last is not None and last_close(last, timeframe) == last_close(self.as_of, timeframe)

    def effects(self, node: str, subject: str = "") -> Effects:
        return self.session.tape.effects(cycle=self.number, node=node, subject=subject, clock=self.session.clock)

    def desk(self, node: str, subject: str = "") -> Desk:
        """A desk for one node and one subject. A subject's context is its own copy of the cycle's book."""
        session = self.session
        effects = self.effects(node, subject)
        view = MarketView(session.market, self.as_of, frozenset(session.universe))
        return Desk(
            cycle=self.number,
            as_of=self.as_of,
            timeframe=session.timeframe,
            universe=session.universe,
            instruments=session.settings.instruments,
            portfolio=self.portfolio,
            working=self.working,
            just_closed=self.just_closed,
            duty=self.duty,
            effects=effects,
            tools=Toolbox(TOOLS, view=view, effects=effects, plumbing=session.plumbing, reads=self.reads),
            model=RecordedModel(session.model, effects, self, reserving=self.effects(f"{node}:budget", subject)),
            context=self.book.view(f"symbol:{subject}") if subject else self.book,
            orders=OrderWriter(
                venue=session.venue,
                ledger=session.ledger,
                effects=effects,
                run_id=session.header.run_id,
                cycle=self.number,
                policy=session.settings.policy,
                instruments=session.settings.instruments,
                brake=lambda: session.brake.reason,
                quote_s=float(session.settings.desk.reading.read_s),
                live=self._live,
            ),
            memory=self,
            settings=session.settings.desk,
            venue_stops=frozenset(session.header.venue_stops if self._may_stop else ()),
            attaches=frozenset(session.header.attaches if self._may_stop else ()),
            suspended=self.suspended,
            caps={symbol: order_caps(session.settings.policy, symbol) for symbol in session.universe},
            stops=self.stops,
            venue_signals=self.venue_signals,
            dated=self.dated,
        )

    @property
    def _may_stop(self) -> bool:
        """Whether the policy lets stops through: where it does not, the run watches them."""
        types = self.session.settings.policy.order_type
        return types is not None and "stop" in types.types

    @property
    def _live(self) -> Live | None:
        session = self.session
        if not session.live:
            return None
        return Live(armed=session.armed, sleep=session.plumbing.sleep, batch=session.header.batch)

    def spent(self, answer: Completion[M]) -> None:
        """Count one call of a model.

        One that failed without any usage was not billed; one with usage and no price makes the sum unknown. Attempts
        that nobody told the cost of count as the most that they may have cost.
        """
        self.questions.note(answer.failure)
        unsettled = answer.unsettled or NOTHING
        self.tokens += answer.input_tokens + answer.output_tokens + unsettled.tokens
        self.usd = None if self.usd is None or unsettled.usd is None else self.usd + unsettled.usd
        unbilled = bool(answer.failure) and not (answer.input_tokens or answer.output_tokens)
        cost = Decimal(0) if answer.cost_usd is None and unbilled else answer.cost_usd
        self.usd = None if self.usd is None or cost is None else self.usd + cost

    def _used(self) -> Spend:
        return Spend(tokens=self.tokens, usd=self.usd)

    async def _used_today(self) -> Spend:
        used = await self.session.ledger.usage(day_start(self.as_of, self.session.settings.policy.day))
        return Spend(tokens=used.tokens, usd=used.usd)

    def archive(self, synthesis: Synthesis, completion: Completion[Opinion], *, subject: str) -> str:
        """Keep a snapshot; its items are stored once, however many snapshots share them."""
        self.contexts[subject] = synthesis
        archive = self.session.archive
        answer = ModelAnswer(
            body=canonical(completion.answer) if completion.answer else "",
            failure=completion.failure,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            reasoning_tokens=completion.reasoning_tokens,
            cost_usd=completion.cost_usd,
            notes=completion.notes,
        )
        request = ModelRequest(model=self.session.model.name, settings=canonical({"schema": Opinion.__name__}))
        # The chain is the row's and the seals': an id that held it would differ between runs that decide the same.
        snapshot = Snapshot.of(synthesis, cycle=self.number, request=request, answer=answer)
        for body in blobs(synthesis).values():
            archive.note_blob(body)
        archive.note_snapshot(
            self.session.header.run_id,
            cycle=self.number,
            subject=subject,
            id=snapshot.id,
            previous=self.previous_seal,
            body=snapshot,
            blobs=snapshot.references,
        )
        self.book.hooks.tell(Archived(snapshot.id, subject))
        return snapshot.id

    def keep(self, node: str, subject: str, update: CycleState) -> None:
        """Record what a node gave. Tickets stay out: their seals are this process's own, and a replay has others."""
        value = {name: item for name, item in update.items() if name != "approved"}
        self.session.archive.note_step(
            self.session.header.run_id, cycle=self.number, node=node, subject=subject, value=value
        )

    async def look_at_control(self, effects: Effects) -> Control:
        """The trading state in force, and how far our clock is off the venue's."""
        session = self.session

        async def look() -> Control:
            return session.in_force(await session.controls.state(session.header.run_id))

        async def compare() -> Decimal | None:
            try:
                theirs = await session.venue.time()
            except VenueUnavailable:
                return None
            return None if theirs is None else Decimal((session.clock.now() - theirs) // _MILLISECOND)

        if session.live:
            self.armed = await effects.once("arming", None, returns=_ARMING, perform=session.armed)
        self.clock_skew_ms = await effects.once("venue:time", None, returns=_SKEW, perform=compare)
        return await effects.once("control", None, returns=CONTROL, perform=look)

    async def pause_of_model(self) -> str:
        """Why a live run does not ask its model in this cycle. A run on paper ends instead.

        An effect, for it depends on what this process has seen. Archives of earlier versions hold none.
        """
        session = self.session
        if not session.live or not session.model.paid:
            return ""

        async def look() -> str:
            return session.health.pause(now=session.clock.now())

        try:
            return await self.effects("model").once("pause", None, returns=_PAUSE, perform=look)
        except ReplayDiverged:
            return ""

    async def open_orders(self, effects: Effects) -> tuple[OrderRecord, ...]:
        """Orders that may still trade, as the ledger has them."""
        return await effects.once(
            "ledger:working",
            None,
            returns=_ORDERS,
            perform=self._working,
        )

    async def _working(self) -> tuple[OrderRecord, ...]:
        return tuple([order.unnamed for order in await self.session.ledger.orders(working_only=True)])

    async def take_stock(
        self,
        effects: Effects,
        *,
        marks: Mapping[str, Decimal],
        reports: Sequence[OrderReport],
        reconciled_at: datetime | None = None,
    ) -> None:
        """What is held, at these mark prices, and what is working, as this cycle finds it.

        `reports` are what the venue said since the last one; `reconciled_at` is when a live account was proven.

        An effect: run again after a crash, the ledger already holds what the cycle itself did.
        """
        ledger = self.session.ledger

        async def look() -> Stock:
            suspended = self.session.suspended
            portfolio = await ledger.portfolio(marks=marks, as_of=self.as_of)
            if last := self._last_marks(portfolio, suspended):
                portfolio = await ledger.portfolio(marks={**last, **marks}, as_of=self.as_of)
            news = self.session.live or self.session.settles
            closed = await ledger.closed_trades(cycle=self.number) if news else ()
            return Stock(
                portfolio=portfolio,
                working=await self._working(),
                closed=tuple(episode.symbol for episode in closed),
                suspended=suspended,
            )

        stock = await effects.once("ledger:stock", None, returns=_STOCK, perform=look)
        marked = stock.portfolio.marks
        self.suspended = stock.suspended
        self.marks = {**{symbol: marked[symbol] for symbol in stock.suspended if symbol in marked}, **marks}
        self.session.marks.update(self.marks)
        self.working = stock.working
        self.portfolio = stock.portfolio
        self.changed = self.session.live
        self.reconciled_at = reconciled_at if self.session.live else effects.now()
        traded = {report.symbol for report in reports if report.fills}
        self.just_closed = frozenset((traded | {*stock.closed}) - stock.portfolio.positions.keys())

    async def look_again(self, effects: Effects) -> None:
        """What is held and what is working by now, after what the cycle itself sent. An effect, as `take_stock` is."""
        ledger = self.session.ledger

        async def look() -> Stock:
            return Stock(
                portfolio=await ledger.portfolio(marks=self.marks, as_of=self.as_of),
                working=await self._working(),
            )

        stock = await effects.once("ledger:stock", None, returns=_STOCK, perform=look)
        self.working, self.portfolio, self.changed = stock.working, stock.portfolio, self.session.live

    def stops_to_see_to(self, settings: DeskSettings) -> bool:
        """Whether a position lacks a stop for a part of it, or has one that may have to move."""
        positions = self.portfolio.positions if self.portfolio else {}
        return settings.risk.trailing or not all(self._cover(position).whole for position in positions.values())

    def _cover(self, position: Position) -> Cover:
        instrument = self.session.settings.instruments[position.symbol]
        return cover(position, self.working, lot_size=instrument.lot_size)

    def _last_marks(self, portfolio: Portfolio, suspended: Mapping[str, str]) -> Mapping[str, Decimal]:
        """Of positions that nobody prices any more: without these, nothing could be entered beside them."""
        marks = {
            symbol: self.session.marks.get(symbol) or position.average_price
            for symbol, position in portfolio.positions.items()
            if symbol in suspended and symbol not in portfolio.marks
        }
        return {symbol: mark for symbol, mark in marks.items() if mark is not None and mark > 0}

    def levels(self, books: Portfolio) -> Mapping[str, Levels]:
        """The prices that what is held now waits for: its stop and its target, where it has them.

        On paper without what the venue waits for itself: that is done with the bar, and nobody could be sooner.
        """
        return {
            symbol: _levels(position, self.stops.get(symbol, position.stop_price))
            for symbol, position in books.positions.items()
            if self.session.live or not self._cover(position).whole
        }

    def episodes(self, symbol: str) -> Sequence[Episode]:
        return self.session.episodes(symbol)

    async def closed_trades(self) -> Sequence[Episode]:
        closed = await self.session.ledger.closed_trades(cycle=self.number)
        for n, episode in enumerate(closed):
            self.session.archive.note_episode(self.session.header.run_id, cycle=self.number, n=n, episode=episode)
        return closed


def _levels(position: Position, stop: Decimal | None) -> Levels:
    return (stop, position.target_price) if position.quantity > 0 else (position.target_price, stop)
