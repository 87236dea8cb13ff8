"""What a folder of candles says of itself: a `market.toml` with the asset class and the calendar of its symbols."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from domain import toml
from domain.errors import UsageError
from domain.instrument import AssetClass
from domain.value import Symbol, Value
from venues.files.text_file import is_there, read_text
from venues.files.trading_hours import TradingHours, trading_hours

NAME = "market.toml"

_REMEDY = (
    'Write: asset_class = "equity" and calendar = "NYSE", and the same below [symbols."BTC/USD"] where one differs'
)


class Asset(Value):
    """What a symbol is, and by which calendar it trades."""

    asset_class: AssetClass = "crypto"
    calendar: str | None = None
    """A name that pandas_market_calendars has, or that of ISO 10383."""

    @model_validator(mode="after")
    def _has_hours_if_it_closes(self) -> Self:
        if self.asset_class == "crypto" and self.calendar is not None:
            raise ValueError("crypto trades around the clock and has no calendar: state another asset_class too")
        if self.asset_class != "crypto" and self.calendar is None:
            raise ValueError(f"{self.asset_class} does not trade around the clock: name its calendar")
        return self

    @property
    def hours(self) -> TradingHours | None:
        """Raises `UsageError` for a calendar that isn't there."""
        return None if self.calendar is None else trading_hours(self.calendar)


class MarketFile(Asset):
    """The asset of every symbol in the folder, but for those that have a table of their own."""

    symbols: Mapping[Symbol, Asset] = Field(default_factory=dict)

    def asset(self, symbol: str) -> Asset:
        return self.symbols.get(symbol, self)


def read_market_file(path: Path, *, there: Collection[str]) -> MarketFile:
    """What `path` states of the symbols that are `there`; where there is no such file everything is crypto.

    Raises `UsageError` with everything that is wrong in it.
    """
    if not is_there(path):
        return MarketFile()
    try:
        stated = MarketFile.model_validate(toml.loads(read_text(path)))
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        ]
        raise UsageError(f"{path}: {'; '.join(lines)}", remedy=_REMEDY) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {error}", remedy=_REMEDY) from None
    if unknown := sorted(stated.symbols.keys() - set(there)):
        raise UsageError(
            f"{path}: there are no candles of {', '.join(unknown)}", remedy=f"There are {', '.join(sorted(there))}"
        )
    return stated
