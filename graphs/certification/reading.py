"""The steps that send nothing: the exchange answers, the clocks agree, the key is harmless, and the sizes fit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from domain.clock import Clock
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import ZERO
from domain.statement import Statement
from domain.value import NonNegative, Positive, Symbol, Value
from graphs.certification.sizes import allowed, entry, far_limit
from graphs.certification.table import Row, Table
from graphs.certification.trial import StepFailed
from graphs.runs.open_live import LiveDesk, account_of

_MOST_SKEW: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MAY: Final = {True: "may", False: "may not", None: "is not told whether it may"}


class Intent(Value):
    """What an operator confirms: what is about to be bought and sold again, and where."""

    account: str
    exchange: str
    symbol: Symbol
    currency: str
    quantity: Positive
    """Of the entry."""
    notional: Positive
    """What the entry costs at most, but for fees."""
    most: Positive
    """What may be in the symbol at once."""
    stays: NonNegative
    """What a fee in the base currency may leave that is below the lot, and so can't be sold; at the entry's price."""


class Reading:
    """Runs them, and keeps what they found."""

    def __init__(
        self, desk: LiveDesk, table: Table, *, exchange: str, symbol: str, most: Decimal | None, where: str, wall: Clock
    ) -> None:
        self._venue = desk.venue
        self._desk = desk
        self._table = table
        self._exchange = exchange
        self._symbol = symbol
        self._most = most
        self._where = where
        self._wall = wall
        self.account = ""
        self.instrument: Instrument | None = None
        self.cash = ZERO
        self.largest = ZERO
        """The larger of the two orders, in base currency."""
        self.intent: Intent | None = None

    async def connection(self) -> bool:
        """Whether the exchange answers, its clock is near ours, and its key may do what it must and no more."""
        run = self._table.run
        return (
            await run("connection", self._connect) and await run("clock", self._compare) and await run("key", self._ask)
        )

    async def sizes(self) -> Intent | None:
        """What would be bought; `None` where it can't be. Raises `UsageError` for a `--most` that is too little."""
        await self._table.run("instrument", self._measure)
        return self.intent

    async def _connect(self, row: Row) -> None:
        row.sent = "its time"
        theirs = await self._venue.time()
        answer = "it tells no time" if theirs is None else f"{theirs:%Y-%m-%d %H:%M:%S} UTC"
        row.answered = f"{answer}, from {self._where}"

    async def _compare(self, row: Row) -> None:
        row.sent = "its time"
        began_at = self._wall.now()
        theirs = await self._venue.time()
        if theirs is None:
            raise StepFailed(f"{self._exchange} does not tell its time, so that no clock skew is known")
        ahead = theirs - (began_at + (self._wall.now() - began_at) / 2)
        row.answered = f"its clock is {round(ahead / _MILLISECOND)} ms ahead of ours"
        if abs(ahead) > _MOST_SKEW:
            raise StepFailed(f"{row.answered}, and 1000 ms are allowed", remedy="Set this machine's clock (NTP)")

    async def _ask(self, row: Row) -> None:
        row.sent = "the key's rights"
        self.account = await account_of(self._desk, exchange=self._exchange)
        rights = await self._venue.rights()
        row.answered = f"it {_MAY[rights.trade]} trade, and {_MAY[rights.withdraw]} withdraw"

    async def _measure(self, row: Row) -> None:
        row.sent = f"{self._symbol}, its order book, and what the account holds"
        instrument = (await self._venue.instruments())[self._symbol]
        quote = await self._venue.quote(self._symbol)
        most = allowed(instrument, quote, most=self._most)
        statement: Statement = await self._venue.statement()
        bought = entry(instrument, quote)
        self.instrument, self.cash = instrument, statement.balances.get(instrument.quote, ZERO)
        self.largest = max(bought.quantity, far_limit(instrument, quote).quantity)
        least = plain(instrument.min_notional) if instrument.min_notional else "none"
        row.answered = (
            f"tick {plain(instrument.tick_size)}, lot {plain(instrument.lot_size)}, least notional {least}; the least "
            f"entry is {plain(bought.quantity)} at up to {plain(bought.price)}"
        )
        if self.cash < most:
            raise StepFailed(
                f"there are {plain(self.cash)} {instrument.quote} to trade with, and it takes {plain(most)}",
                remedy="Transfer some there, or choose another --symbol",
            )
        self.intent = Intent(
            account=self.account,
            exchange=self._exchange,
            symbol=self._symbol,
            currency=instrument.quote,
            quantity=bought.quantity,
            notional=bought.notional,
            most=most,
            stays=instrument.lot_size * bought.price if instrument.kind == "spot" else ZERO,
        )
