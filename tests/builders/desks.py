"""Desks without a graph: tools that answer what they were told, a memory that keeps, a portfolio that is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from agents.desk import Desk
from agents.duty import ORDINARY
from agents.model import Completion
from agents.rules import RulesModel
from agents.settings import DeskSettings, RiskSettings
from agents.writer import OrderWriter
from builders.policy import an_instrument
from builders.tools import BTC, ETH, START, a_toolbox
from context import ContextBook, Synthesis
from domain.candle import Timeframe
from domain.clock import TickClock
from domain.decision import Episode, Opinion, Signal, Thesis
from domain.digest import digest
from domain.effects import Unrecorded
from domain.order import OrderState
from domain.portfolio import Portfolio, Position
from domain.value import Value
from memory.ledger.orders import OrderRecord
from policy.market import VenueSignal
from tools.bars import Bars, candles
from tools.headlines import News, ScoredHeadline, headlines
from tools.indicators import Indicators, indicators
from tools.quotes import QuoteReading, quote

T = TypeVar("T")

SWAP = "BTC/USDT:USDT"
_TOOL_OF: dict[type, str] = {QuoteReading: "quote", Indicators: "indicators", Bars: "candles", News: "headlines"}


class Told(Unrecorded):
    """Effects whose tools answer with given values, by tool and symbol; the other tools are down."""

    def __init__(self, *values: Value, at: datetime = START, error: str = "") -> None:
        super().__init__(TickClock(at))
        self._error = error
        self._values = {(_TOOL_OF[type(value)], cast("Any", value).symbol): value for value in values}

    async def once(
        self,
        name: str,
        request: object,
        *,
        returns: TypeAdapter[T],
        perform: Callable[[], Awaitable[T]],
        durable: bool = False,
    ) -> T:
        kind, _, tool = name.partition(":")
        if kind != "tool":
            return await super().once(name, request, returns=returns, perform=perform, durable=durable)
        value = self._values.get((tool, cast("Any", request).symbol))
        down = {"failure": "unavailable", "error": self._error or f"the {tool} service is down"}
        return returns.validate_python({"name": tool, **({"value": value} if value else down)})


class Notes:
    """A `Memory` that keeps what is archived, and remembers the episodes that it was given."""

    def __init__(self, *episodes: Episode, closed: Sequence[Episode] = ()) -> None:
        self.archived: list[tuple[str, Synthesis, Completion[Opinion]]] = []
        self._episodes = episodes
        self._closed = closed

    def archive(self, synthesis: Synthesis, completion: Completion[Opinion], *, subject: str) -> str:
        self.archived.append((subject, synthesis, completion))
        return digest([subject, len(self.archived)])

    def episodes(self, symbol: str) -> Sequence[Episode]:
        return [episode for episode in self._episodes if episode.symbol == symbol]

    async def closed_trades(self) -> Sequence[Episode]:
        return self._closed


def a_price(symbol: str = BTC, *, bid: str | Decimal = "99.5", ask: str | Decimal = "100.5") -> QuoteReading:
    low, high = Decimal(bid), Decimal(ask)
    return QuoteReading(
        symbol=symbol, bid=low, ask=high, mid=(low + high) / 2, spread_bps=Decimal(0), at=START, age_s=Decimal(0)
    )


def readings(symbol: str = BTC, **over: Any) -> Indicators:
    """Indicators of a market at 100 that moves by one a bar; all others are missing unless given."""
    given = {"symbol": symbol, "timeframe": "5m", "closed_at": START, "bars": 200, "close": "100", "atr_14": "1"}
    return Indicators.model_validate(given | over)


UPTREND: dict[str, str] = {
    "adx_14": "40",
    "plus_di_14": "30",
    "minus_di_14": "10",
    "ema_20": "101",
    "ema_50": "99",
    "macd_histogram": "0.2",
    "rsi_14": "60",
}
"""Readings that the trend detector and the rules analyst both call a buy."""


def some_news(symbol: str, *titles: str, score: str = "0.5", **over: Any) -> News:
    """Headlines about one symbol, all of one tone whatever they say."""
    items = tuple(
        ScoredHeadline(
            **{
                "id": f"n{number}",
                "title": title,
                "source": "wire",
                "symbols": (symbol,),
                "available_at": START,
                "score": Decimal(score),
            }
            | over
        )
        for number, title in enumerate(titles)
    )
    return News(symbol=symbol, items=items, mean=Decimal(score) if items else None)


def a_signal(symbol: str = BTC, **over: Any) -> Signal:
    given = {"symbol": symbol, "direction": "buy", "score": "0.8", "detectors": ("trend",)}
    return Signal.model_validate(given | over)


def a_thesis(symbol: str = BTC, **over: Any) -> Thesis:
    given = {
        "symbol": symbol,
        "stance": "buy",
        "conviction": "0.8",
        "horizon": "intraday",
        "evidence": (),
        "rationale": "it trends",
    }
    return Thesis.model_validate(given | over)


def an_episode(symbol: str = BTC, *, profit: str = "1", closed_at: datetime = START, **over: Any) -> Episode:
    given = {
        "symbol": symbol,
        "direction": "long",
        "opened_at": closed_at,
        "closed_at": closed_at,
        "notional": "100",
        "profit": profit,
        "fees": "0.1",
    }
    return Episode.model_validate(given | over)


def a_position(symbol: str = BTC, quantity: str | Decimal = "5", **over: Any) -> Position:
    """Bought at 100, with a stop at 90 and a target at 110; the other way round for a short."""
    held = Decimal(quantity)
    exits = ("90", "110") if held > 0 else ("110", "90")
    given = {
        "symbol": symbol,
        "quantity": held,
        "cost": held * 100,
        "opened_at": START,
        "stop_price": exits[0],
        "target_price": exits[1],
    }
    return Position.model_validate(given | over)


def an_account(
    *positions: Position, cash: str | Decimal = "10000", marks: dict[str, Decimal] | None = None
) -> Portfolio:
    """Cash, and positions marked at 100 unless `marks` says otherwise."""
    return Portfolio(
        currency="USDT",
        as_of=START,
        cash=Decimal(cash),
        positions={position.symbol: position for position in positions},
        marks={position.symbol: Decimal(100) for position in positions} if marks is None else marks,
        realized=Decimal(0),
        fees=Decimal(0),
        start_cash=Decimal(10_000),
    )


def out(symbol: str = BTC, side: str = "sell", quantity: str | Decimal = "5", **over: Any) -> OrderRecord:
    """A market order that is working."""
    request = {"client_order_id": "acother", "symbol": symbol, "side": side, "type": "market", "quantity": quantity}
    given = {
        "request": request,
        "proposal": "0" * 64,
        "run_id": "r1",
        "cycle": 0,
        "agent": "risk",
        "state": OrderState.WORKING,
        "submitted_at": START,
        "updated_at": START,
    }
    return OrderRecord.model_validate(given | over)


def held_at(
    trigger: str | Decimal, symbol: str = BTC, side: str = "sell", quantity: str | Decimal = "5", **over: Any
) -> OrderRecord:
    """A stop that the venue holds."""
    request = {
        "client_order_id": over.pop("id", "acstop"),
        "symbol": symbol,
        "side": side,
        "type": "stop",
        "quantity": quantity,
        "trigger_price": trigger,
        "reduce_only": True,
    }
    return out(request=request, **over)


def supporting(side: str = "buy", strength: str = "1") -> tuple[VenueSignal, ...]:
    """What venue data alone says for one side."""
    return (VenueSignal.model_validate({"detector": "trend", "side": side, "strength": strength}),)


def risk_settings(**over: Any) -> DeskSettings:
    return DeskSettings(risk=RiskSettings.model_validate(over))


def a_desk(*told: Value, **over: Any) -> Desk:
    """A flat account of 10,000 in a universe of two spot symbols and a swap; tools say what is `told`.

    Venue data supports buying all of them, without any doubt.
    Nobody but Execution may touch `orders`, so there are none unless given.
    """
    effects = over.pop("effects", None) or Told(*told)
    given: dict[str, Any] = {
        "cycle": 1,
        "as_of": START,
        "timeframe": Timeframe("5m"),
        "universe": (BTC, ETH, SWAP),
        "instruments": {symbol: an_instrument(symbol) for symbol in (BTC, ETH, SWAP)},
        "portfolio": an_account(),
        "working": (),
        "just_closed": frozenset(),
        "duty": ORDINARY,
        "effects": effects,
        "tools": a_toolbox(candles, headlines, indicators, quote, effects=effects),
        "model": RulesModel(),
        "context": ContextBook(),
        "orders": cast("OrderWriter", None),
        "memory": Notes(),
        "settings": DeskSettings(),
        "venue_signals": dict.fromkeys((BTC, ETH, SWAP), supporting()),
    }
    return Desk(**(given | over))
