"""Candle files: what their names say, and their bars once every row has been checked.

A file is `BASE-QUOTE[-SETTLE]_TIMEFRAME.csv`, `.csv.gz` or `.parquet` with the columns
`timestamp_ms,open,high,low,close,volume`. Nothing is repaired: what is wrong is named by file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from domain.candle import Candle, Timeframe
from venues.files.checks import milliseconds, wrong_prices, wrong_text, wrong_time
from venues.files.problems import Problems
from venues.files.rows import Unreadable, rows_of
from venues.files.spacing import Spacing
from venues.files.trading_hours import TradingHours

NAMING = "BASE-QUOTE_TIMEFRAME.csv, .csv.gz or .parquet, like BTC-USDT_5m.csv.gz"

_NAME = re.compile(
    r"(?P<base>[A-Z0-9]{1,20})-(?P<quote>[A-Z0-9]{1,20})(?:-(?P<settle>[A-Z0-9]{1,20}))?"
    r"_(?P<timeframe>[1-9][0-9]{0,3}[mhdw])\.(?:csv|csv\.gz|parquet)"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NOTES = 20
_FAR = 20
"""Times, from one bar to the next, up or down."""
_DAY = timedelta(days=1)
_SATURDAY = 5
_ENOUGH_DAYS = 10
"""In which there is a weekend."""


@dataclass(frozen=True, slots=True)
class CandleFile:
    """One file whose name says what it holds."""

    path: Path
    symbol: str
    timeframe: Timeframe

    @classmethod
    def named(cls, path: Path) -> CandleFile | None:
        """What `path` holds by its name; none when it isn't named like candles that can be traded.

        A settlement currency other than the quote currency (an inverse contract) can't be.
        """
        match = _NAME.fullmatch(path.name)
        if match is None or match["settle"] not in (None, match["quote"]):
            return None
        settle = f":{match['settle']}" if match["settle"] else ""
        return cls(path, f"{match['base']}/{match['quote']}{settle}", Timeframe(match["timeframe"]))


def symbols_in(folder: Path) -> frozenset[str]:
    """The symbols of all candle files there."""
    return frozenset(file.symbol for file in map(CandleFile.named, folder.iterdir()) if file)


def read_candles(
    file: CandleFile, *, hours: TradingHours | None = None, problems: Problems, notes: list[str]
) -> Sequence[Candle]:
    """Every bar of `file`, oldest first. What is wrong goes to `problems`; gaps, which are not wrong, to `notes`.

    With `hours` no bar is missing while the exchange is closed, and bars of that time are noted. The bars are to be
    used only when `problems` stayed empty.
    """
    gaps: list[str] = []
    spacing = Spacing(file.timeframe)
    candles: list[Candle] = []
    before = len(problems)
    try:
        candles.extend(_bars(file, hours=hours, problems=problems, gaps=gaps, spacing=spacing))
        if not candles and len(problems) == before:
            problems.add(file.path, line=1, what="there are no rows")
        if wrong := spacing.wrong(len(candles) - 1):
            problems.add(file.path, line=1, what=wrong)
    except Unreadable as error:
        problems.add(file.path, line=error.line, what=error.what)
    _note(gaps, "gaps", file=file, notes=notes)
    if len(problems) > before:
        return candles
    _note(list(_far_off(file, candles)), "bars far off the one before", file=file, notes=notes)
    notes.extend(_untimely(file, candles, hours=hours))
    return candles


def _note(texts: Sequence[str], what: str, *, file: CandleFile, notes: list[str]) -> None:
    notes.extend(texts[:_MOST_NOTES])
    if len(texts) > _MOST_NOTES:
        notes.append(f"{file.path.name}: {len(texts) - _MOST_NOTES} more {what}")


def _far_off(file: CandleFile, candles: Sequence[Candle]) -> Iterator[str]:
    """Bars with a price that no market goes to from one bar to the next: more likely a decimal point that slipped."""
    close = candles[0].open if candles else Decimal(1)
    for bar in candles:
        if bar.high > close * _FAR or bar.low * _FAR < close:
            price = bar.high if bar.high > close * _FAR else bar.low
            yield (
                f"{file.path.name}: the bar at {bar.opened_at:%Y-%m-%d %H:%M} goes to {price}, {_times(price, close)} "
                f"the close before it, {close}: is that so?"
            )
        close = bar.close


def _times(price: Decimal, close: Decimal) -> str:
    return f"{price / close:.0f} times" if price > close else f"1/{close / price:.0f} of"


def _untimely(file: CandleFile, candles: Sequence[Candle], *, hours: TradingHours | None) -> Iterator[str]:
    """What makes one doubt the calendar, or the want of one."""
    name, timeframe = file.path.name, file.timeframe
    if hours is not None:
        closed = [bar.opened_at for bar in candles if not hours.traded(bar.opened_at, timeframe)]
        if closed:
            first = f"the first at {closed[0]:%Y-%m-%d %H:%M}"
            yield f"{name}: {len(closed)} bars while {hours.calendar} is closed, {first}"
        return
    enough = timeframe.length == _DAY and len(candles) >= _ENOUGH_DAYS
    if enough and all(bar.opened_at.weekday() < _SATURDAY for bar in candles):
        yield f"{name}: no bars at weekends; if it isn't crypto, say so in market.toml (asset_class, calendar)"


def _bars(
    file: CandleFile, *, hours: TradingHours | None, problems: Problems, gaps: list[str], spacing: Spacing
) -> Iterator[Candle]:
    length, step_ms = file.timeframe.length, milliseconds(file.timeframe)
    previous_ms: int | None = None
    closed_at = _EPOCH
    for line, row in rows_of(file.path):
        if problems.enough:
            return
        if wrong := wrong_text(row):
            problems.add(file.path, line=line, what=wrong)
            continue
        opened_ms = int(row[0])
        opened, high, low, close = Decimal(row[1]), Decimal(row[2]), Decimal(row[3]), Decimal(row[4])
        if wrong := wrong_prices(opened, high=high, low=low, close=close):
            problems.add(file.path, line=line, what=wrong)
        opened_at = closed_at
        if previous_ms is None or opened_ms != previous_ms + step_ms:
            if wrong := wrong_time(opened_ms, previous_ms=previous_ms, timeframe=file.timeframe):
                problems.add(file.path, line=line, what=wrong)
                continue
            opened_at = _EPOCH + timedelta(milliseconds=opened_ms)
            if previous_ms is not None:
                missing = (opened_ms - previous_ms) // step_ms - 1
                if hours is not None:
                    missing = hours.missing(closed_at, opened_at, file.timeframe)
                if missing:
                    spacing.add((opened_ms - previous_ms) // step_ms, line=line)
                    gaps.append(f"{file.path.name}:{line}: {missing} bars missing before {opened_at:%Y-%m-%d %H:%M}")
        previous_ms, closed_at = opened_ms, opened_at + length
        yield Candle(opened_at, closed_at, opened, high, low, close, Decimal(row[5]))
