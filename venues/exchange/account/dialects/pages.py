"""Lists that an exchange gives in pages, read to their end or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from domain.errors import VenueUnavailable
from venues.exchange.account.dialects.dialect import Params
from venues.exchange.client import Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_PAGES = 500

Page = Callable[[Params], Awaitable[Sequence[Row]]]


async def every(page: Page, *, size: int, after: Callable[[Sequence[Row]], Params], what: str) -> Sequence[Row]:
    """All rows. `after` says of a full page what to ask for the next one; each row is kept once, by its id.

    Raises `VenueUnavailable` when the pages don't come to an end.
    """
    by_id: dict[Hashable, Row] = {}
    params: Params = {}
    for _ in range(MOST_PAGES):
        rows = await page(params)
        known = len(by_id)
        by_id.update((str(row["id"]), row) for row in rows)
        if len(rows) < size:
            return list(by_id.values())
        if len(by_id) == known:
            raise VenueUnavailable(f"{what} come in pages that don't go on")
        params = after(rows)
    raise too_many(what)


def too_many(what: str) -> VenueUnavailable:
    return VenueUnavailable(f"{what} come in more than {MOST_PAGES} pages")


async def one_page(page: Page, *, size: int, what: str) -> Sequence[Row]:
    """All rows where they come in one page, or `VenueUnavailable`: a full page may hide more."""
    rows = await page({})
    if len(rows) >= size:
        raise VenueUnavailable(f"{what} are {len(rows)} or more, and this exchange shows no further")
    return rows


def spans(since: datetime, until: datetime, length: timedelta) -> Sequence[tuple[datetime, datetime]]:
    """The time from `since` to `until` in pieces that an exchange takes in one question, oldest first."""
    pieces: list[tuple[datetime, datetime]] = []
    start = since
    while start <= until:
        end = min(start + length, until)
        pieces.append((start, end))
        start = end + timedelta(milliseconds=1)
    return pieces


def lowest(rows: Sequence[Row], key: Callable[[Mapping[str, object]], object]) -> str:
    """The smallest of whole numbers that the exchange writes in `info`."""
    return str(min(int(str(key(info_of(row)))) for row in rows))


def highest(rows: Sequence[Row]) -> int:
    """The largest of ids that are whole numbers."""
    return max(int(str(row["id"])) for row in rows)


def info_of(row: Row) -> Mapping[str, object]:
    """The exchange's own row, out of which ccxt made this one."""
    info = row.get("info")
    return info if isinstance(info, Mapping) else {}


def millis(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment(value: object) -> datetime:
    """Raises `ValueError` for anything but whole milliseconds."""
    return _EPOCH + timedelta(milliseconds=int(str(value)))
