"""What an exchange sends and nobody can read is one error, whatever reading it raised."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import VenueUnavailable
from domain.portfolio import Position
from venues.exchange.account.reading import readable, reading

NOTHING: Any = None
NO_ROWS: list[object] = []
TEXT: Any = "no rows"
ROW = {"symbol": "BTC/USDT", "quantity": "NaN", "average_price": "1", "opened_at": "2026-01-01T00:00:00Z"}
FAULTS: dict[str, Callable[[], Any]] = {
    r"ValidationError: Input should be a finite number$": lambda: Position.model_validate(ROW),
    r"InvalidOperation: ": lambda: Decimal("1e"),
    r"KeyError: 'id'$": lambda: {}["id"],
    r"IndexError: list index out of range$": lambda: NO_ROWS[0],
    r"TypeError: 'NoneType' object is not subscriptable$": lambda: NOTHING["id"],
    r"AttributeError: 'str' object has no attribute 'items'$": lambda: TEXT.items(),
    r"ValueError: bad row$": lambda: fails(ValueError("bad\u202e row")),
}


def fails(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("words", FAULTS)
async def test_a_row_that_can_not_be_read_is_a_venue_that_did_not_tell(words: str) -> None:
    read = FAULTS[words]

    async def ask() -> Any:
        return read()

    with pytest.raises(VenueUnavailable, match=f"^the trades can't be read: {words}"):
        readable("the trades", read)
    with pytest.raises(VenueUnavailable, match=f"^the trades can't be read: {words}"):
        await reading("the trades", ask)()


async def test_what_is_no_matter_of_reading_is_raised_as_it_is() -> None:
    with pytest.raises(MemoryError):
        readable("the trades", lambda: fails(MemoryError()))
    with pytest.raises(MemoryError):
        await reading("the trades", broken)()


async def broken() -> None:
    raise MemoryError


async def test_what_can_be_read_comes_back() -> None:
    async def ask(number: int) -> int:
        return number + 1

    assert (readable("the trades", int, "7"), await reading("the trades", ask)(7)) == (7, 8)
