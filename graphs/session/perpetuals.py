"""Perpetuals on paper: by which terms a run holds them, what it says of it at its start, and how its margin stands."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal

from domain.digest import plain
from domain.errors import UsageError, VenueUnavailable
from domain.instrument import Instrument
from domain.money import BPS, ZERO
from domain.portfolio import Portfolio
from domain.sizing import least
from domain.statement import is_swap
from domain.value import Amount, NonNegative, Positive, Value
from domain.venue import FundingSource, MarginSource, Market
from graphs.session.session import RunSettings, Session
from memory.ledger.ledger import Ledger
from venues.costs import PaperCosts, PerpetualTerms
from venues.paper.liquidation import Leg, liquidated_at
from venues.paper.margin import Margin


async def on_paper(
    costs: PaperCosts, instruments: Mapping[str, Instrument], *, market: Market
) -> tuple[PaperCosts, dict[str, Instrument]]:
    """The costs of a run with its terms for perpetuals, and the instruments with the margin tiers that `market` states.

    Where it trades none, there are no terms.
    """
    swaps = [symbol for symbol, instrument in instruments.items() if instrument.kind == "swap"]
    if not swaps:
        return costs.model_copy(update={"perpetuals": None}), dict(instruments)
    terms = costs.perpetuals or PerpetualTerms()
    sources = {symbol: _rates_from(market, symbol) for symbol in swaps}
    terms = terms.model_copy(update={"funding_from": {symbol: name for symbol, name in sources.items() if name}})
    tiered = dict(instruments)
    for symbol in swaps:
        if isinstance(market, MarginSource):
            with suppress(VenueUnavailable):  # what is used then is said at the start
                tiers = await market.margin_tiers(symbol)
                tiered[symbol] = tiered[symbol].model_copy(update={"margin_tiers": tiers})
    return costs.model_copy(update={"perpetuals": terms}), tiered


def _rates_from(market: Market, symbol: str) -> str:
    return market.funding_from(symbol) if isinstance(market, FundingSource) else ""


def require_rates(costs: PaperCosts, market: Market) -> None:
    """Raises `UsageError` where a run has taken funding rates from what is not there any more."""
    for symbol, name in costs.perpetuals.funding_from.items() if costs.perpetuals else ():
        if _rates_from(market, symbol) != name:
            raise UsageError(
                f"the run takes the funding of {symbol} from {name}, which {market.name} does not have",
                remedy="Put it back: a run that goes on keeps its costs",
            )


def outlook(session: Session) -> tuple[str, ...]:
    """What a run on paper says of its perpetuals before the first cycle: one line for those that are held alike."""
    terms = session.settings.costs.perpetuals
    if terms is None or session.live:
        return ()
    alike: dict[str, list[str]] = {}
    for symbol in filter(is_swap, session.universe):
        alike.setdefault(_terms_of(symbol, session, terms), []).append(symbol)
    return tuple(f"{', '.join(symbols)} on paper: {line}" for line, symbols in alike.items())


def _terms_of(symbol: str, session: Session, terms: PerpetualTerms) -> str:
    funding = (
        f"{_bps(terms.funding_rate)} every 8 hours ([paper] funding_bps), for {session.market.name} tells no rates"
    )
    if name := terms.funding_from.get(symbol):
        funding = f"at the rates of {name}"
    instrument = session.settings.instruments.get(symbol)
    tiered = instrument is not None and bool(instrument.margin_tiers)
    margin = f"by the tiers of {session.market.name}" if tiered else f"of {_percent(terms.maintenance)}"
    limits = f"leverage up to {plain(terms.leverage)}, maintenance margin {margin}"
    return f"funding {funding}; {limits}, liquidation at the mark for {_percent(terms.liquidation_fee)}"


def _bps(rate: Decimal) -> str:
    return f"{plain(rate * BPS)} bps"


def _percent(part: Decimal) -> str:
    return f"{plain(part * 100)} %"


class PositionMargin(Value):
    """What one perpetual on paper ties up and must keep, and where the account would be liquidated through it alone."""

    leverage: Positive
    """By which it is held: a large position is given less than was set."""
    mark_price: Positive
    initial_margin: NonNegative
    maintenance_margin: NonNegative
    liquidation_price: Positive | None
    """While every other mark stays; `None` where no price of this one alone would do it."""
    funding: Amount
    """What it was paid since it was opened, less what it paid."""


def margins(
    books: Portfolio, settings: RunSettings, *, marks: Mapping[str, Decimal], funding: Mapping[str, Decimal]
) -> dict[str, PositionMargin]:
    """Of every perpetual that is held on paper, at `marks`, or else at its average price; none of older runs."""
    terms = settings.costs.perpetuals
    swaps = {symbol: position for symbol, position in books.positions.items() if is_swap(symbol)}
    if terms is None:
        return {}
    margin = Margin(terms, {symbol: i.margin_tiers for symbol, i in settings.instruments.items() if i.margin_tiers})
    at = {symbol: marks.get(symbol) or position.average_price or ZERO for symbol, position in swaps.items()}
    by_symbol: dict[str, PositionMargin] = {}
    for symbol, position in swaps.items():
        mark, quantity = at[symbol], position.quantity
        rate = margin.initial_rate(symbol, quantity=quantity, price=mark)
        legs = [_leg(other, each.quantity, at[other], settings, moves=other == symbol) for other, each in swaps.items()]
        point = liquidated_at(books.cash, legs, margin)
        price = None if point is None else next(leg for leg in legs if leg.symbol == symbol).mark(point)
        by_symbol[symbol] = PositionMargin(
            leverage=1 / rate,
            mark_price=mark,
            initial_margin=abs(quantity) * mark * rate,
            maintenance_margin=margin.maintenance(symbol, quantity=quantity, price=mark),
            liquidation_price=price if price is not None and price > 0 else None,
            funding=funding.get(symbol, ZERO),
        )
    return by_symbol


async def margins_now(
    ledger: Ledger, books: Portfolio, settings: RunSettings, marks: Mapping[str, Decimal]
) -> dict[str, PositionMargin]:
    """`margins`, with the funding of each position since it was opened."""
    paid: dict[str, Decimal] = {}
    for event in await ledger.external():
        position = books.positions.get(event.asset)
        if event.own and event.kind == "funding" and position and position.opened_at and event.at > position.opened_at:
            paid[event.asset] = paid.get(event.asset, ZERO) + event.cash
    return margins(books, settings, marks=marks, funding=paid)


def depleted(books: Portfolio, settings: RunSettings, *, marks: Mapping[str, Decimal]) -> bool:
    """Whether an account that holds nothing has not enough for the least order in any of its instruments."""
    terms = settings.costs.perpetuals
    if terms is None or books.positions or not all(symbol in marks for symbol in settings.instruments):
        return False
    return all(
        least(instrument, type="market", price=marks[symbol]) * marks[symbol]
        > books.cash * (terms.leverage if instrument.kind == "swap" else 1)
        for symbol, instrument in settings.instruments.items()
    )


_FAR = Decimal(1_000)
"""Times its mark, beyond which nobody cares where a short is liquidated."""


def _leg(symbol: str, quantity: Decimal, mark: Decimal, settings: RunSettings, *, moves: bool) -> Leg:
    end = mark if not moves else ZERO if quantity > 0 else mark * _FAR
    tick_size = settings.instruments[symbol].tick_size
    return Leg(symbol=symbol, quantity=quantity, start=mark, end=end, tick_size=tick_size)
