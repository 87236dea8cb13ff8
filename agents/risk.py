"""Risk: turns theses and open positions into proposals. Exits first; every number is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from agents.desk import Desk
from agents.entry import entry_prices, size
from agents.parts import in_parts, stop_parts, stuck
from agents.protection import exit_side, held_stops, older, stop_of
from domain.decision import Cause, Proposal, Thesis
from domain.digest import plain
from domain.money import floor_to
from domain.order import Side
from domain.portfolio import Portfolio, Position
from domain.sizing import after_fee, greatest, no_way_out, too_small
from domain.value import Value
from policy.market import strength_for
from tools.indicators import IndicatorsParams, indicators
from tools.quotes import QuoteParams, QuoteReading, quote

_ALL: Final = Decimal(1)
_HALF: Final = Decimal("0.5")


class Plan(Value):
    """What Risk wants, and why it wants nothing where it doesn't."""

    proposals: tuple[Proposal, ...] = ()
    declined: tuple[tuple[str, str], ...] = ()
    """(symbol, reason), in the order of the symbols."""


class RiskAgent:
    """Leaves what must be left, then sizes what may be entered.

    An entry is a limit order close beyond the touch (`agents.entry`), and none where its costs leave too little of its
    reward. Size is the smaller of: the loss at the stop is `risk_per_trade` of equity, and the notional is
    `max_position` of equity scaled by conviction; at the worst price that it may fill at, and rounded down to the lot.
    Conviction counts no further than venue data alone supports the order, and so an entry that it doesn't support has
    no size at all.
    """

    async def __call__(self, theses: Sequence[Thesis], desk: Desk) -> Plan:
        by_symbol = {t.symbol: t for t in theses}
        proposals: list[Proposal] = []
        declined: dict[str, str] = {}
        positions = desk.portfolio.positions if desk.portfolio else {}
        halved = riskiest(desk.portfolio) if desk.duty.halve and desk.portfolio else None
        outcome: Proposal | str | None
        for symbol in sorted(positions):
            outcome = await self._care(positions[symbol], by_symbol.get(symbol), desk, halve=symbol == halved)
            _note(outcome, symbol, proposals, declined)
        if not desk.duty.entries:
            declined |= dict.fromkeys(by_symbol.keys() - positions.keys(), f"no entries: {desk.duty.reason}")
            return _plan(in_parts(proposals, desk), declined)
        for symbol in sorted(by_symbol.keys() - positions.keys()):
            try:
                outcome = await self._enter(by_symbol[symbol], desk)
            except ArithmeticError as error:  # an entry that can't be computed must not cost the exits
                outcome = f"no size: {type(error).__name__}"
            _note(outcome, symbol, proposals, declined)
        return _plan(in_parts(proposals, desk), declined)

    async def _care(self, position: Position, thesis: Thesis | None, desk: Desk, *, halve: bool) -> Proposal | str:
        """An exit for a position that hit its stop, target or time, whose thesis turned, or that must go.

        It names the held stops that it replaces, which would sell the same twice: they stay until it was let through.
        Stops themselves are placed and moved by `graphs.trading.protection`, once it is known what the exits came to.
        """
        if why := desk.suspended.get(position.symbol):
            return f"{why}: it can't be exited"
        reading = await _quote(position.symbol, desk) or desk.dated.get(position.symbol)
        if reading is None:
            return "no quote to judge the position by"
        stop = await stop_of(position, desk)
        if stop is not None:
            desk.stops[position.symbol] = stop
        cause, part = exit_cause(position.model_copy(update={"stop_price": stop}), reading, thesis, desk), _ALL
        if desk.duty.flatten:
            cause = "flatten"
        elif cause is None and halve:
            cause, part = "halve", _HALF
        if cause is None:
            return _hold_reason(position, thesis, desk) + stuck(position, reading, desk)
        return self._leave(position, thesis, reading, desk, cause=cause, part=part)

    def _leave(
        self,
        position: Position,
        thesis: Thesis | None,
        reading: QuoteReading,
        desk: Desk,
        *,
        cause: Cause,
        part: Decimal,
    ) -> Proposal | str:
        side = exit_side(position)
        why = _why(cause, thesis, desk) + older(position.symbol, desk)
        stop_ids = tuple(order.client_order_id for order in held_stops(position, desk.working))
        exits_out = (
            o
            for o in desk.working
            if o.request.symbol == position.symbol and o.request.side == side and o.client_order_id not in stop_ids
        )
        remaining = abs(position.quantity) * part - sum((o.request.quantity - o.filled for o in exits_out), Decimal(0))
        if remaining <= 0:
            return "already leaving"
        instrument = desk.instruments[position.symbol]
        quantity = floor_to(remaining, instrument.lot_size)
        if small := too_small(quantity, instrument, type="market", price=reading.mid, reduces=True):
            return f"{why}, and what is held is too small to trade: {small}"
        return Proposal(
            cycle=desk.cycle,
            as_of=desk.as_of,
            agent="risk",
            symbol=position.symbol,
            side=side,
            type="market",
            quantity=quantity,
            reduce_only=True,
            reference_price=reading.mid,
            snapshot=thesis.snapshot if thesis else None,
            rationale=why,
            releases=stop_ids,
            cause=cause,
        )

    async def _enter(self, thesis: Thesis, desk: Desk) -> Proposal | str | None:
        """An entry in the direction of a thesis, or the reason why there is none."""
        settings = desk.settings.risk
        instrument = desk.instruments[thesis.symbol]
        if thesis.stance in ("hold", "abstain"):
            return None
        if thesis.conviction < settings.min_conviction:
            return f"conviction {thesis.conviction} is below {settings.min_conviction}"
        if why := desk.suspended.get(thesis.symbol):
            return f"{why}: it can't be entered"
        side: Side = "buy" if thesis.stance == "buy" else "sell"
        if side == "sell" and not (settings.allow_short and instrument.kind == "swap"):
            return "nothing held to sell, and no shorts"
        strength = _strength_for(side, thesis.symbol, desk)
        if strength <= 0:
            return _unsupported(side, thesis.symbol, desk)
        if any(o.request.symbol == thesis.symbol for o in desk.working):
            return "an order is already working"
        if _resting(thesis.symbol, desk):
            return f"a trade was closed less than {settings.reenter_after_bars} bars ago"
        if desk.portfolio is None or not desk.portfolio.priced:
            return "the portfolio can't be priced"
        reading = await _quote(thesis.symbol, desk)
        read = await desk.tools.call(indicators, IndicatorsParams(symbol=thesis.symbol))
        if reading is None or read.value is None or read.value.atr_14 is None:
            return "no quote or no average true range to size by"
        prices = entry_prices(side, reading, atr=read.value.atr_14, instrument=instrument, settings=settings)
        if isinstance(prices, str):
            return prices
        quantity = size(
            equity=desk.portfolio.equity,
            price=prices.dearest,
            risk=prices.risk,
            conviction=min(thesis.conviction, strength) * desk.duty.size_factor,
            instrument=instrument,
            settings=settings,
        )
        most = greatest(instrument, type="limit", price=prices.dearest)
        quantity = quantity if most is None else min(quantity, most)
        if why := too_small(quantity, instrument, type="limit", price=prices.limit):
            return f"too small to trade: {why}"
        left_at = min(prices.stop, prices.target)
        if why := no_way_out(after_fee(quantity, instrument, side=side), instrument, price=left_at):
            return f"too small to exit again: {why}"
        return Proposal(
            cycle=desk.cycle,
            as_of=desk.as_of,
            agent="risk",
            symbol=thesis.symbol,
            side=side,
            type="limit",
            quantity=quantity,
            limit_price=prices.limit,
            time_in_force="IOC",  # what the first bar does not fill must not buy on when the stop is hit
            stop_price=prices.stop,
            target_price=prices.target,
            reference_price=reading.mid,
            conviction=thesis.conviction,
            snapshot=thesis.snapshot,
            rationale=thesis.rationale,
            cause="entry",
            attached=_attachable(quantity, prices.stop, reading, desk),
        )


def _plan(proposals: Sequence[Proposal], declined: Mapping[str, str]) -> Plan:
    return Plan(proposals=tuple(proposals), declined=tuple(sorted(declined.items())))


def _note(outcome: Proposal | str | None, symbol: str, proposals: list[Proposal], declined: dict[str, str]) -> None:
    if isinstance(outcome, Proposal):
        proposals.append(outcome)
    elif outcome:
        declined[symbol] = outcome


async def _quote(symbol: str, desk: Desk) -> QuoteReading | None:
    return (await desk.tools.call(quote, QuoteParams(symbol=symbol))).value


def _resting(symbol: str, desk: Desk) -> bool:
    """Whether the last trade in a symbol was closed too short a time ago for the next."""
    rest = desk.timeframe.length * desk.settings.risk.reenter_after_bars
    closed = desk.memory.episodes(symbol)
    since_flat = symbol in desk.just_closed or bool(closed and desk.as_of - closed[-1].closed_at < rest)
    return bool(rest) and since_flat


def riskiest(portfolio: Portfolio) -> str | None:
    """The position with most to lose from its mark price to its stop; without either, all that was paid for it."""
    risks = {
        symbol: _at_risk(position, portfolio.marks.get(symbol)) for symbol, position in portfolio.positions.items()
    }
    return max(sorted(risks), key=risks.__getitem__, default=None)


def _at_risk(position: Position, mark: Decimal | None) -> Decimal:
    if mark is None:
        return abs(position.cost)
    return abs(position.quantity) * (mark if position.stop_price is None else abs(mark - position.stop_price))


def _strength_for(side: Side, symbol: str, desk: Desk) -> Decimal:
    return strength_for(side, desk.venue_signals.get(symbol, ()))


def _unsupported(side: Side, symbol: str, desk: Desk) -> str:
    if symbol not in desk.venue_signals:
        return f"nothing supports a {side}: no detector looked at venue data in this cycle"
    return f"venue data supports no {side}: its signals come to {plain(_strength_for(side, symbol, desk))}"


def _attachable(quantity: Decimal, stop: Decimal, reading: QuoteReading, desk: Desk) -> bool:
    """Whether the venue attaches the exits to an entry: it can, and one order may be for all of it."""
    if reading.symbol not in desk.attaches:
        return False
    parts = stop_parts(quantity, stop, reading.symbol, desk, mid=reading.mid)
    return not isinstance(parts, str) and len(parts) == 1


def _turned(position: Position, thesis: Thesis | None, desk: Desk) -> bool:
    """Whether a thesis is against a position, and sure enough of it."""
    least = desk.settings.risk.min_conviction
    return thesis is not None and thesis.stance == exit_side(position) and thesis.conviction >= least


def _hold_reason(position: Position, thesis: Thesis | None, desk: Desk) -> str:
    """That a position is kept; and why, where its thesis has turned."""
    if not _turned(position, thesis, desk):
        return "position kept"
    return f"position kept; {_unsupported(exit_side(position), position.symbol, desk)}"


def _why(cause: Cause, thesis: Thesis | None, desk: Desk) -> str:
    """The cause of an exit in words."""
    if cause == "thesis" and thesis:
        return f"thesis turned: {thesis.rationale}"
    return f"halved: {desk.duty.reason}" if cause == "halve" else cause


def exit_cause(position: Position, reading: QuoteReading, thesis: Thesis | None, desk: Desk) -> Cause | None:
    """Why a position is left now: `stop`, `target`, `time`, or the thesis that turned against it.

    A thesis alone ends no position: venue data must say the same.
    """
    long = position.quantity > 0
    price = reading.bid if long else reading.ask
    if position.stop_price is not None and (price <= position.stop_price if long else price >= position.stop_price):
        return "stop"
    if position.target_price is not None and (
        price >= position.target_price if long else price <= position.target_price
    ):
        return "target"
    limit = desk.timeframe.length * desk.settings.risk.max_hold_bars
    if position.opened_at is not None and desk.as_of - position.opened_at >= limit:
        return "time"
    if not _turned(position, thesis, desk):
        return None
    return "thesis" if _strength_for(exit_side(position), position.symbol, desk) > 0 else None
