"""What makes one row of a candle file untrustworthy, said so that a person can mend it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from domain.candle import Timeframe
from venues.files.rows import COLUMNS

_MILLISECONDS = r"[0-9]{1,18}"
_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{0,40})?(?:[eE][-+]?[0-9]{1,2})?"
_whole_row = re.compile(f"{_MILLISECONDS}(?:,{_NUMBER}){{5}}").fullmatch
_milliseconds = re.compile(_MILLISECONDS).fullmatch
_number = re.compile(_NUMBER).fullmatch

_MONDAY_MS = 345_600_000
"""The first Monday after 1970-01-01: bars of weeks open on Mondays."""
_WEEK_MS = 604_800_000
_YEAR_2000_MS = 946_684_800_000
_YEAR_2100_MS = 4_102_444_800_000


def milliseconds(timeframe: Timeframe) -> int:
    return int(timeframe.length.total_seconds()) * 1_000


def wrong_text(row: Sequence[str]) -> str:
    """Why the cells are not a time and five plain numbers; empty when they are."""
    if _whole_row(",".join(row)):
        return ""
    if len(row) != len(COLUMNS):
        return f"{len(row)} cells where {len(COLUMNS)} are needed"
    if not _milliseconds(row[0]):
        return f"timestamp_ms {row[0]!r} is not whole milliseconds since 1970"
    wrong = [(name, cell) for name, cell in zip(COLUMNS[1:], row[1:], strict=True) if not _number(cell)]
    return "; ".join(f"{name} {cell[:40]!r} is not a number of 0 or more" for name, cell in wrong)


def wrong_time(opened_ms: int, *, previous_ms: int | None, timeframe: Timeframe) -> str:
    """Why a bar can't open then, after the one before it; empty when it can."""
    step_ms = milliseconds(timeframe)
    if wrong := wrong_moment(opened_ms):
        return wrong
    if (opened_ms - (_MONDAY_MS if step_ms % _WEEK_MS == 0 else 0)) % step_ms:
        return f"timestamp_ms {opened_ms} is off the {timeframe} grid"
    if previous_ms is not None and opened_ms == previous_ms:
        return f"timestamp_ms {opened_ms} is there twice"
    if previous_ms is not None and opened_ms < previous_ms:
        return f"timestamp_ms {opened_ms} is not later than {previous_ms} above it: rows must be oldest first"
    return ""


def wrong_moment(moment_ms: int) -> str:
    """Why a time can't be one in milliseconds; empty where it can."""
    if moment_ms < _YEAR_2000_MS:
        return f"timestamp_ms {moment_ms} is before the year 2000: are these seconds?"
    if moment_ms >= _YEAR_2100_MS:
        return f"timestamp_ms {moment_ms} is after the year 2100: are these microseconds?"
    return ""


def wrong_prices(opened: Decimal, *, high: Decimal, low: Decimal, close: Decimal) -> str:
    """Why these can't be one bar's prices; empty when they can."""
    if 0 < low <= opened <= high and low <= close <= high:
        return ""
    if min(opened, high, low, close) <= 0:
        return "a price is zero"
    if high < low:
        return f"high {high} is below low {low}"
    outside = [(name, price) for name, price in (("open", opened), ("close", close)) if not low <= price <= high]
    return "; ".join(f"{name} {price} is outside of low {low} to high {high}" for name, price in outside)
