"""A market played back from candle files: nothing is shown before its bar had closed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final

from domain.candle import Candle, FundingRate, Headline, Quote, Session, Timeframe
from domain.errors import NotFound, SymbolUnknown, VenueUnavailable
from domain.instrument import AssetClass, Instrument, InstrumentKind
from venues.candle_series import CandleSeries
from venues.costs import PaperCosts
from venues.files.choice import choose
from venues.files.files import read_candles, symbols_in
from venues.files.funding import funding_files, read_funding
from venues.files.headlines import NAME as HEADLINES
from venues.files.headlines import read_headlines
from venues.files.market_file import NAME as MARKET
from venues.files.market_file import Asset, read_market_file
from venues.files.problems import Problems
from venues.quote_from_bar import quote_from

WARMUP_BARS = 200
"""Closed bars that the first tick has behind it; a quarter of a recording shorter than four times that."""

_CRYPTO: Final = Asset()
_ALL_CRYPTO: Final[Mapping[str, Asset]] = MappingProxyType({})
_PRICE_DIGITS = 7
_LOT_DIGITS = 6
_FINEST_LOT = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class RecordedFunding:
    """The rates of one perpetual, oldest first, and the file that they are from."""

    name: str
    rates: tuple[FundingRate, ...]


class FileMarket:
    """Recorded candles of one timeframe and one quote currency, and headlines if they lie beside them."""

    def __init__(
        self,
        name: str,
        candles: Mapping[str, Sequence[Candle]],
        *,
        timeframe: Timeframe,
        headlines: Sequence[Headline] = (),
        notes: Sequence[str] = (),
        assets: Mapping[str, Asset] = _ALL_CRYPTO,
        funding: Mapping[str, RecordedFunding] = MappingProxyType({}),
    ) -> None:
        """`assets` are those of symbols that aren't crypto, `funding` the rates of perpetuals that are recorded."""
        self._name = name
        self._timeframe = timeframe
        self._series = {symbol: CandleSeries(candles[symbol]) for symbol in sorted(candles)}
        self._instruments = {
            symbol: instrument_from(
                candles[symbol][0], symbol=symbol, asset_class=assets.get(symbol, _CRYPTO).asset_class
            )
            for symbol in sorted(candles)
        }
        self._hours = {symbol: asset.hours for symbol, asset in assets.items()}
        self._headlines = [h for h in headlines if not h.symbols or not self._series.keys().isdisjoint(h.symbols)]
        self._ticks = sorted({close for series in self._series.values() for close in series.closes})
        self._spread_bps: Decimal | None = None
        self._funding = funding
        self.notes = tuple(notes)
        """What a reader should know of the data: gaps by file and line, files that were passed over."""

    @classmethod
    def open(
        cls, path: Path, *, symbols: Sequence[str] | None = None, timeframe: Timeframe | None = None
    ) -> FileMarket:
        """Read one candle file, or those of a folder that `symbols` and `timeframe` ask for.

        Raises `NotFound` for a missing path, `SymbolUnknown` naming the symbols there, `UsageError`
        when the choice isn't clear, and one `MarketDataError` with everything wrong in the data.
        """
        if not path.exists():
            raise NotFound(f"there is no file or folder {path}")
        choice = choose(path, symbols=symbols, timeframe=timeframe)
        folder = path if path.is_dir() else path.parent
        stated = read_market_file(folder / MARKET, there=symbols_in(folder))
        assets = {file.symbol: stated.asset(file.symbol) for file in choice.files}
        problems, notes = Problems(), list(choice.notes)
        candles = {
            file.symbol: read_candles(file, hours=assets[file.symbol].hours, problems=problems, notes=notes)
            for file in choice.files
        }
        rates = funding_files(folder, symbols=candles)
        funding = {
            symbol: RecordedFunding(
                file.path.name, read_funding(file, candles=candles[symbol], problems=problems, notes=notes)
            )
            for symbol, file in rates.items()
        }
        problems.refuse()
        return cls(
            f"file:{path}",
            candles,
            timeframe=choice.timeframe,
            headlines=read_headlines(folder / HEADLINES),
            notes=notes,
            assets=assets,
            funding=funding,
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def timeframe(self) -> Timeframe:
        return self._timeframe

    def set_spread(self, spread_bps: Decimal) -> None:
        """See `MakesQuotes.set_spread`."""
        self._spread_bps = spread_bps

    async def instruments(self) -> Mapping[str, Instrument]:
        return MappingProxyType(self._instruments)

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return self._of(symbol).window(limit=limit, until=until)

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        bar = self._of(symbol).last(as_of)
        if bar is None:
            raise VenueUnavailable(f"{symbol} has no closed bar before {as_of.isoformat()} in {self._name}")
        return quote_from(bar, self._instruments[symbol], width_bps=self._spread_bps)

    def funding_from(self, symbol: str) -> str:
        """See `FundingSource.funding_from`: the name of the file."""
        return self._funding[symbol].name if symbol in self._funding else ""

    def funding_span(self, symbol: str) -> tuple[datetime, datetime] | None:
        rates = self._funding[symbol].rates
        return rates[0].at, rates[-1].at

    async def funding(self, symbol: str, *, since: datetime, until: datetime) -> Sequence[FundingRate]:
        self._of(symbol)
        rates = self._funding[symbol].rates if symbol in self._funding else ()
        start = bisect_right(rates, since, key=lambda rate: rate.at)
        return rates[start : bisect_right(rates, until, key=lambda rate: rate.at)]

    async def session(self, symbol: str, *, as_of: datetime) -> Session | None:
        """By its calendar, where it has one: see `TradingHours.decided_at`."""
        self._of(symbol)
        hours = self._hours.get(symbol)
        return hours.decided_at(as_of, self._timeframe) if hours else None

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        start = bisect_right(self._headlines, since, key=lambda headline: headline.available_at)
        end = bisect_right(self._headlines, until, key=lambda headline: headline.available_at)
        return self._headlines[start:end]

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        warmup = min(WARMUP_BARS, -(-len(self._ticks) // 4))
        start = warmup - 1 if after is None else bisect_right(self._ticks, after)
        for tick in self._ticks[start:]:
            yield tick

    def _of(self, symbol: str) -> CandleSeries:
        if symbol not in self._series:
            raise SymbolUnknown(f"{symbol} is not in {self._name}", remedy=f"There are {', '.join(self._series)}")
        return self._series[symbol]


def instrument_from(first: Candle, *, symbol: str, asset_class: AssetClass = "crypto") -> Instrument:
    """A grid for a recorded symbol, which no file states, from its first price alone.

    Later bars have no say: with them cut off the grid would change. The tick is the seventh digit of
    the first open (94,098.9 has ticks of 0.01). The lot is the power of ten that is worth about a
    millionth of the quote currency, from 1e-8 to 1. A recorded price may be off the grid; fills are on it.
    """
    decade = first.open.adjusted()
    tick = Decimal(1).scaleb(decade - _PRICE_DIGITS + 1)
    lot = min(Decimal(1), max(_FINEST_LOT, Decimal(1).scaleb(-decade - _LOT_DIGITS)))
    kind: InstrumentKind = "swap" if ":" in symbol else "spot"
    bare = Instrument(symbol=symbol, kind=kind, asset_class=asset_class, tick_size=tick, lot_size=lot)
    return PaperCosts().applied(bare)
