"""An exchange on this machine whose clock and bars go on, as ours does, whenever somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.candle import Timeframe, last_close
from domain.clock import Clock
from exchange_double.candles import Bar
from exchange_double.faults import Timeout
from exchange_double.served import ServedDouble, binance_double, bybit_double, okx_double
from exchange_double.wire import Operation, Request
from venues.exchange.client import ExchangeClient
from venues.exchange.market import ExchangeMarket

START = datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)
"""Half a minute after a bar of any length up to an hour has closed."""

DOUBLES = {"okx": okx_double, "binance": binance_double, "bybit": bybit_double}

FAST: dict[str, object] = {"rateLimit": 1, "timeout_on_exit": 0, "timeout": 2_000}
"""ccxt's settings in tests: it neither spaces its requests nor waits at the end."""


@dataclass
class Wall:
    """Our clock; a sleep moves it on."""

    at: datetime = START
    slept: list[float] = field(default_factory=list)
    woken: Callable[[], None] | None = None

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)
        if self.woken:
            self.woken()


@dataclass
class Theirs:
    """The exchange's clock: ours, and how far it is ahead."""

    wall: Wall
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.wall.now() + self.ahead


def bar_at(opened_at: datetime, *, length: timedelta, base: Decimal, unit: Decimal = Decimal(1)) -> Bar:
    """A bar of a market that climbs, two steps up and one down, so that there is something to buy.

    As much is traded whatever a contract holds, which is `unit`.
    """
    n = int((opened_at - START) / length)
    step = base / 1_000
    opened = base + n * step / 2 + (step if n % 3 == 1 else -step if n % 3 == 2 else 0)
    close = base + (n + 1) * step / 2 + (step if n % 3 == 0 else -step if n % 3 == 1 else 0)
    return Bar(
        opened_at=opened_at,
        open=opened,
        high=max(opened, close) + step / 4,
        low=min(opened, close) - step / 4,
        close=close,
        volume=(120 + n % 17) / unit,
    )


@dataclass
class Hung:
    """A bystander of OKX's: no request for the order book of `symbol` is answered, as long as it is set."""

    double: ServedDouble
    symbol: str = ""
    requests: int = 0
    """How many were not."""

    def arrived(self, request: Request) -> bool:
        path, _, query = request.target.partition("?")
        wanted = f"instId={self.symbol.replace('/', '-')}"
        if self.symbol and path.endswith("/market/books") and wanted in query.split("&"):
            self.requests += 1
            self.double.faults.add(Timeout(accepted=False), on=Operation.BOOK)
        return True

    def answered(self, request: Request) -> None:
        """Nothing more."""


@dataclass
class Stage:
    """The double, the wall, and how to open a market on them."""

    double: ServedDouble
    wall: Wall
    theirs: Theirs
    symbols: tuple[str, ...]
    timeframe: Timeframe
    bases: dict[str, Decimal]
    patience_s: float = 30.0
    """With a symbol that hangs. Long, for a machine that is busy is no fault."""

    def show(self, *, before: int = 1_000, after: int = 400, without: Collection[datetime] = ()) -> None:
        """The bars that the exchange has from here on; of those that lie ahead it shows each once it has opened."""
        length = self.timeframe.length
        now = last_close(self.wall.at, self.timeframe)
        opened = [now + n * length for n in range(-before, after)]
        for symbol, base in self.bases.items():
            unit = self.double.engine.listings[symbol].contract_size
            shown = [bar_at(at, length=length, base=base, unit=unit) for at in opened if at not in without]
            self.double.engine.set_bars(symbol, int(length.total_seconds()), shown)
        self.touch()

    def hide(self, symbol: str) -> None:
        """The exchange answers for this symbol, and shows nothing of it."""
        self.double.engine.set_bars(symbol, int(self.timeframe.length.total_seconds()), [])

    def touch(self) -> None:
        """Bid and ask as the bar that is under way opened."""
        for symbol, base in self.bases.items():
            now = last_close(self.wall.at, self.timeframe)
            price = bar_at(now, length=self.timeframe.length, base=base).open
            size = Decimal("3.5") / self.double.engine.listings[symbol].contract_size
            self.double.engine.set_touch(symbol, bid=price, ask=price + Decimal("0.1"), size=size)

    def client(self, exchange: str = "okx", **settings: object) -> ExchangeClient:
        """`exchange` is one that speaks as OKX does."""
        return ExchangeClient(exchange, settings={**self._address(), **FAST, **settings})

    def _address(self) -> dict[str, object]:
        # Without a key: only what is public may be asked.
        return {"urls": self.double.client_settings()["urls"]}

    def market(self, client: ExchangeClient | None = None, **over: Any) -> ExchangeMarket:
        given = {"symbols": self.symbols, "timeframe": self.timeframe, "wall": self.wall, "sleep": self.wall.sleep}
        given |= {"patience_s": self.patience_s}
        return ExchangeMarket(client or self.client(), **(given | over))

    def opener(
        self, spec: str, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, seed: int, wall: Clock
    ) -> ExchangeMarket:
        """For `graphs.prepare` and `graphs.resume`."""
        return self.market(symbols=symbols, timeframe=timeframe)


@contextmanager
def a_stage(
    symbols: Sequence[str] = ("BTC/USDT", "ETH/USDT"),
    *,
    timeframe: str = "5m",
    at: datetime = START,
    exchange: str = "okx",
) -> Iterator[Stage]:
    """An exchange with bars and books for `symbols`, at `at` by its own clock and ours."""
    bases = {symbol: Decimal(60_000) if symbol.startswith("BTC") else Decimal(3_000) for symbol in symbols}
    wall = Wall(at)
    theirs = Theirs(wall)
    with DOUBLES[exchange](clock=theirs) as double:
        stage = Stage(double, wall, theirs, tuple(symbols), Timeframe(timeframe), bases)
        wall.woken = stage.touch
        stage.show()
        yield stage
