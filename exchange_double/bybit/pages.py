"""Bybit's pages: a limit, an opaque cursor to what is older, and windows of time that are never longer than a week."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from exchange_double.bybit.call import Fields, number
from exchange_double.bybit.errors import wrong
from exchange_double.bybit.text import ms

T = TypeVar("T")

Key = tuple[int, int]
"""Milliseconds and a number that grows: what pages are sorted and walked by."""

_WEEK_MS = 7 * 86_400_000


def page(
    items: Iterable[T], fields: Fields, *, key: Callable[[T], Key], default: int = 20, most: int = 50
) -> tuple[list[T], str]:
    """At most `limit` items, newest first, and the cursor to those after them.

    Bybit hands out a cursor with every page that holds something: only an empty page says that it was the last.
    """
    limit = number(fields, "limit", default)
    if not 1 <= limit <= most:
        raise wrong("limit")
    before = _read(str(fields.get("cursor", "")))
    newest_first = sorted(items, key=key, reverse=True)
    shown = [item for item in newest_first if before is None or key(item) < before][:limit]
    return shown, _write(key(shown[0]), key(shown[-1])) if shown else ""


def _write(first: Key, last: Key) -> str:
    """Already percent-encoded, as Bybit hands it out: a client sends it back as it is."""
    return "%2C".join(f"{at}%3A{number}" for at, number in (first, last))


def _read(cursor: str) -> Key | None:
    if not cursor:
        return None
    at, _, number = cursor.partition(",")[2].partition(":")
    if not (at.isdecimal() and number.isdecimal()):
        raise wrong("cursor")
    return int(at), int(number)


def window(fields: Fields, *, now: datetime, default: timedelta) -> tuple[int, int]:
    """First and last millisecond that are asked about: `default` long unless both ends are given.

    Raises `BybitError` when both are, and are more than a week apart.
    """
    start, end = number(fields, "startTime", None), number(fields, "endTime", None)
    length = default // timedelta(milliseconds=1)
    if start is not None and end is not None:
        if not 0 <= end - start <= _WEEK_MS:
            raise wrong("endTime", "must be at most 7 days after startTime")
        return start, end
    if start is not None:
        return start, start + length
    last = ms(now) if end is None else end
    return last - length, last


def inside(span: tuple[int, int], at: datetime) -> bool:
    return span[0] <= ms(at) <= span[1]
