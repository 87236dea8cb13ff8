"""Checks of the order itself: its form, its size and prices, its exits, and whether it could be left again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from domain.decision import Proposal
from domain.digest import plain
from domain.money import BPS, ZERO, on_grid
from domain.payoff import payoff
from domain.sizing import after_fee, no_way_out, too_large, too_small
from policy.case import Case
from policy.check import check
from policy.escalation import size_factor
from policy.limits.order import (
    CollarLimits,
    DriftLimits,
    NotionalLimits,
    OptionLimits,
    OrderTypeLimits,
    QuantityLimits,
    RewardRiskLimits,
    ShortLimits,
    StopLimits,
    SymbolLimits,
)
from policy.ruling import FactMissing, Ruling, deny, in_parts, passed, strictest, within
from policy.trigger import met, target_met

_NUMBERS = ("quantity", "limit_price", "stop_price", "target_price", "reference_price", "trigger_price")
_MAGNITUDE = 30
"""Powers of ten, up and down. No market trades beyond; within, every product of the gate is exact and short."""


@check(
    code="WELL_FORMED",
    source="SEC 15c3-5(c)(1)(ii); RTS 6 Art. 15(1)(a)-(c)",
)
def well_formed(case: Case) -> Ruling:
    """Refuse what is no proposal, senseless numbers, what is off the grid, and sizes that the venue does not take.

    Refused, never rounded: what is sent is what was proposed. A limit order has a limit price, a stop a
    trigger price, and no other order has either. An entry that the venue is to attach its exits to has a stop.
    What waits is good till cancelled: a stop, and a limit order that is post-only. The sizes of numbers are
    looked at before anything is computed with them. What can't be copied as a proposal of exact types and
    validated is refused before, with what is wrong, and no check reads it.
    """
    faults = list(_immense(case.proposal)) or list(_unfit(case.proposal))
    if faults:
        return deny("; ".join(faults))
    if case.order is None:
        return deny("the fields make no order")
    problems = list(_off_grid(case))
    return deny("; ".join(problems)) if problems else passed("well-formed")


def _immense(proposal: Proposal) -> Iterator[str]:
    """Numbers of a size that nothing has. The values are not repeated."""
    for name in _NUMBERS:
        value: Decimal | None = getattr(proposal, name)
        if value is not None and abs(value.adjusted()) > _MAGNITUDE:
            yield f"the {name} is beyond 1E-{_MAGNITUDE} or 1E+{_MAGNITUDE}"


def _unfit(proposal: Proposal) -> Iterator[str]:
    """What does not go with the type."""
    if (proposal.type == "limit") != (proposal.limit_price is not None):
        yield "a limit order needs a limit price, and another order has none"
    if (proposal.type == "stop") != (proposal.trigger_price is not None):
        yield "a stop needs a trigger price, and another order has none"
    if proposal.attached and (proposal.type == "stop" or proposal.reduce_only):
        yield "only an entry has its exits attached"
    elif proposal.attached and proposal.stop_price is None:
        yield "an entry that has its exits attached needs a stop price"
    if proposal.post_only and proposal.type != "limit":
        yield "only a limit order can be post-only"
    if (proposal.post_only or proposal.type == "stop") and proposal.time_in_force != "GTC":
        yield f"an order that waits can't be {proposal.time_in_force}"


def _off_grid(case: Case) -> Iterator[str]:
    proposal, instrument = case.proposal, case.instrument
    quantity = proposal.quantity
    if not on_grid(quantity, instrument.lot_size):
        yield f"the quantity {plain(quantity)} is no multiple of the lot {plain(instrument.lot_size)}"
    exits = [("stop price", proposal.stop_price)] if proposal.attached else []
    exits += [("target price", proposal.target_price)] if proposal.attached or proposal.type == "stop" else []
    for name, price in (("price", proposal.limit_price), ("trigger price", proposal.trigger_price), *exits):
        if price is not None and not on_grid(price, instrument.tick_size):
            yield f"the {name} {plain(price)} is no multiple of the tick {plain(instrument.tick_size)}"
    price = _stated_price(case)
    if why := too_small(quantity, instrument, type=proposal.type, price=price, reduces=proposal.reduce_only):
        yield why
    if why := too_large(quantity, instrument, type=proposal.type, price=price):
        yield why


def _stated_price(case: Case) -> Decimal:
    """A venue measures notionals at the price that the order states, or on the market where it states none."""
    stated = case.proposal.limit_price or case.proposal.trigger_price
    return case.mid if stated is None else stated


_UNBOUNDED: Final = (
    "a market order that may add to a position can fill at any price: propose a limit order, IOC, whose limit_price is "
    "the furthest that it may fill at"
)


@check(
    code="ORDER_TYPE",
    source="RTS 6 Art. 15(5); FIA 2024, pre-trade controls",
    section="order_type",
)
def order_type_permitted(case: Case, limits: OrderTypeLimits) -> Ruling:
    """Refuse a type or a time in force that the policy does not list, a market order that enters unless the policy
    allows that, and a stop that enters or would fire at once.

    A market order fills at any price: whatever its size was computed at, what it holds and loses can be a multiple of
    that. An entry names the furthest price that it may have, and every cap is judged there; an exit need not, as
    leaving is always easier. A stop is for leaving: it waits on the losing side of the market, a sale's below the bid
    and a buy's above the ask, and its target on the other side. One whose trigger or target is met already is a market
    order by another name. A stop that is attached to an entry is one, too.
    """
    for kind in [case.proposal.type, *(["stop"] if case.proposal.attached else [])]:
        if kind not in limits.types:
            return deny(f"{kind} orders are not among {', '.join(sorted(limits.types)) or 'none'}")
    if case.proposal.time_in_force not in limits.times_in_force:
        listed = ", ".join(sorted(limits.times_in_force)) or "none"
        return deny(f"time in force {case.proposal.time_in_force} is not among {listed}")
    if case.proposal.type == "market" and not limits.market_entries and not case.reducing:
        return deny(_UNBOUNDED)
    return _waiting(case) if case.proposal.type == "stop" else passed("permitted")


def _waiting(case: Case) -> Ruling:
    trigger, side = case.proposal.trigger_price, case.proposal.side
    if not case.reducing:
        return deny("a stop is for leaving, and this order does not only reduce")
    if trigger is None:
        return deny("the stop has no trigger price")
    if met(trigger, side=side, quote=case.quote):
        touch = (
            f"below the bid of {plain(case.quote.bid)}"
            if side == "sell"
            else f"above the ask of {plain(case.quote.ask)}"
        )
        return deny(f"the trigger {plain(trigger)} is not {touch}: the stop would fire at once")
    target = case.proposal.target_price
    if target is not None and target_met(target, side=side, quote=case.quote):
        touch = (
            f"above the bid of {plain(case.quote.bid)}"
            if side == "sell"
            else (f"below the ask of {plain(case.quote.ask)}")
        )
        return deny(f"the target {plain(target)} is not {touch}: the stop would fire at once")
    return passed("waits on the losing side")


@check(
    code="MAX_NOTIONAL",
    source="RTS 6 Art. 15(1)(b); SEC 15c3-5(c)(1)(ii); FIA 2024, maximum order size",
    section="max_notional",
    waivable=True,
)
def notional_within(case: Case, limits: NotionalLimits) -> Ruling:
    """Refuse an order worth more than the absolute cap, or an entry worth more than its share of equity.

    The share shrinks with drawdown, from `drawdown.sizes_fall_from` on. It does not bind an order that
    only reduces: a position that grew, or equity that shrank, must not lock the door. What is larger than
    the absolute cap is left in several orders.
    """
    caps = [] if limits.absolute is None else [limits.absolute]
    if limits.share_of_equity is not None and not case.reducing:
        equity = case.equity
        factor = case.book.memo("size factor", lambda: size_factor(case.policy, case.facts.equity_marks, equity))
        caps.append(limits.share_of_equity * equity * factor)
    if not caps:
        return passed("passed by: the order only reduces, and there is no absolute cap")
    ruling = within(case.notional, min(caps), unit=case.currency, warn_at=limits.warn_at)
    return in_parts(ruling) if case.reducing else ruling


@check(
    code="MAX_QUANTITY",
    source="RTS 6 Art. 15(1)(c); SEC 15c3-5(c)(1)(ii); FIA 2024, maximum order size",
    section="max_quantity",
    waivable=True,
)
def quantity_within(case: Case, limits: QuantityLimits) -> Ruling:
    """Refuse an order above its symbol's maximum, or an entry above its share of an average bar's volume.

    An entry that neither of the two bounds is refused. Leaving can't wait for volume, and is bound by
    the symbol's maximum alone; what is larger than that is left in several orders.
    """
    symbol = case.proposal.symbol
    maximum = limits.per_symbol.get(symbol)
    caps = [] if maximum is None else [maximum]
    if limits.share_of_bar_volume is not None and not case.reducing:
        caps.append(limits.share_of_bar_volume * case.bars_of(symbol).average_volume)
    if caps:
        ruling = within(case.proposal.quantity, min(caps), unit=case.instrument.base, warn_at=limits.warn_at)
        return in_parts(ruling) if case.reducing else ruling
    if case.reducing:
        return passed("passed by: the order only reduces, and the symbol has no maximum")
    raise FactMissing(f"the policy sets no maximum quantity for {symbol}")


@check(
    code="PRICE_COLLAR",
    source="RTS 6 Art. 15(1)(a); SEC 15c3-5(c)(1)(ii); FIA 2024, price tolerance",
    section="price_collar",
)
def price_in_collar(case: Case, limits: CollarLimits) -> Ruling:
    """Refuse a price, an entry's stop price or a stop's trigger further than its band from the middle of the market.

    A market order is priced at the touch it would meet, so that a torn-open spread refuses it. A stop is
    priced at its trigger, in the band that stops have. The distance is compared as |price - mid| <= band
    * mid, so that no division can hide a zero. The stop of an order that only reduces is never used.
    """
    proposal, quote, unit = case.proposal, case.quote, f"{case.currency} from the mid price"

    def judged(price: Decimal, band_bps: Decimal, what: str = "") -> Ruling:
        return within(abs(price - case.mid), case.mid * band_bps / BPS, unit=unit + what, warn_at=limits.warn_at)

    if proposal.trigger_price is not None:
        ruling = judged(proposal.trigger_price, limits.stop_band_bps, " to the trigger")
    elif proposal.limit_price is not None:
        ruling = judged(proposal.limit_price, limits.band_bps)
    else:
        ruling = judged(quote.ask, limits.band_bps)  # the bid is just as far from the middle
    if proposal.stop_price is None or case.reducing:
        return ruling
    return strictest(ruling, judged(proposal.stop_price, limits.stop_band_bps, " to the stop"))


@check(
    code="DRIFT",
    source="FIA 2024, price tolerance; proprietary firms' rules",
    section="drift",
    entry_only=True,
    waivable=True,
)
def drift_within(case: Case, limits: DriftLimits) -> Ruling:
    """Refuse an entry once the middle of the market has moved against it by more than `maximum_bps`.

    Counted from the price that it was sized from: up is against a buy, down against a sale. A move in
    its favour is no reason to refuse.
    """
    decided = case.proposal.reference_price
    if decided is None:
        raise FactMissing("the entry does not name the price that it was decided at")
    moved = case.mid - decided
    against = moved if case.proposal.side == "buy" else -moved
    unit = f"{case.currency} against the entry since it was decided"
    return within(against, decided * limits.maximum_bps / BPS, unit=unit, warn_at=limits.warn_at)


@check(
    code="REDUCE_ONLY",
    source="SEC 15c3-5(c)(1)(ii); DESIGN rule 7",
)
def only_reduces(case: Case) -> Ruling:
    """Refuse a reduce-only order that could enlarge or flip the position, and a sale of owned spot that is not one.

    Every working order on the same side counts, also one in doubt: all of them may still fill. A plain sale of no
    more spot than is held and not yet being sold leaves a position, and would be judged, counted and halted as an
    entry: it is to say what it does.
    """
    if not case.proposal.reduce_only:
        return _plain(case)
    if case.reducing:
        return passed("only reduces")
    if not case.position:
        return deny("there is no position to reduce")
    if (case.position > 0) == (case.proposal.side == "buy"):
        return deny("the order would enlarge the position")
    total, position = case.proposal.quantity + case.queued, abs(case.position)
    message = f"{plain(total)} with working exits would flip the position of {plain(position)}"
    return Ruling("deny", message, total, position, case.instrument.base)


def _plain(case: Case) -> Ruling:
    sells_spot = case.proposal.side == "sell" and case.instrument.kind == "spot"
    if not sells_spot or case.position <= 0 or case.proposal.quantity + case.queued > case.position:
        return passed("not a reduce-only order")
    holding = f"{plain(case.position)} {case.instrument.base}"
    return deny(f"the sale only leaves what is held ({holding}): propose it again with reduce_only")


@check(
    code="SHORT",
    source="SEC 15c3-5(c)(2)(i); Regulation SHO, 17 CFR 242.203",
    section="short",
)
def short_permitted(case: Case, limits: ShortLimits) -> Ruling:
    """Refuse a sale of more than is held, working sales counted, unless the policy allows it and it is no spot."""
    if case.proposal.side == "buy":
        return passed("a buy")
    sold, owned = case.proposal.quantity + case.queued, max(case.position, ZERO)
    if sold <= owned:
        return passed("covered by what is held")
    if limits.allow and case.instrument.kind != "spot":
        return passed("short selling is allowed")
    spot = case.instrument.kind == "spot"
    why = "spot can't be sold short" if spot else "the policy allows no shorts: [short] allow"
    message = f"{plain(sold)} with working sales is more than the {plain(owned)} held, and {why}"
    return Ruling("deny", message, sold, owned, case.instrument.base)


@check(
    code="STOP_REQUIRED",
    source="RTS 6 Art. 15(4), risk limits by strategy; proprietary firms' rules",
    section="stop",
    entry_only=True,
)
def stop_stands(case: Case, limits: StopLimits) -> Ruling:
    """Refuse an entry without a stop, or with a stop or a target that is not on its own side of the entry.

    For a buy the losing side is below the limit and below the bid, else the stop would trigger at once; for a
    sale above the limit and above the ask. A target lies beyond the limit, or where there is none beyond the
    touch that the order would meet: above for a buy, below for a sale.
    """
    stop, target = case.proposal.stop_price, case.proposal.target_price
    if stop is None and limits.required:
        return deny("the entry has no stop price")
    if stop is not None and not _loses(case, stop):
        return deny(f"the stop {plain(stop)} is not on the losing side of {plain(_nearest(case))}")
    if target is not None and not _gains(case, target):
        return deny(f"the target {plain(target)} is not on the gaining side of {plain(_entered(case))}")
    return passed("no stop is required" if stop is None else "on the losing side")


def _loses(case: Case, stop: Decimal) -> bool:
    return stop < _nearest(case) if case.proposal.side == "buy" else stop > _nearest(case)


def _gains(case: Case, target: Decimal) -> bool:
    return target > _entered(case) if case.proposal.side == "buy" else target < _entered(case)


def _nearest(case: Case) -> Decimal:
    """The price nearest to the stop that the entry may have, or that the market shows already."""
    limit, quote = case.proposal.limit_price, case.quote
    if case.proposal.side == "buy":
        return quote.bid if limit is None else min(limit, quote.bid)
    return quote.ask if limit is None else max(limit, quote.ask)


def _entered(case: Case) -> Decimal:
    """What the order states as its price, or the touch that it would meet."""
    stated = case.proposal.limit_price or case.proposal.trigger_price
    if stated is not None:
        return stated
    return case.quote.ask if case.proposal.side == "buy" else case.quote.bid


@check(
    code="SELF_TRADE",
    source="RTS 6 Art. 13; Commodity Exchange Act, 7 U.S.C. 6c(a), wash sales",
)
def meets_none_of_ours(case: Case) -> Ruling:
    """Refuse an order that would trade with our own order on the other side.

    An entry is held to the furthest price that it may fill at, and one of ours without a limit price
    meets it at any; but a stop of ours only meets what stands where it sends, at its trigger or beyond.
    An exit is refused only where the meeting is certain: where ours stands at its limit or better and is
    part of the touch. What might be, orders that can't rest and stops that wait don't bar it.
    """
    proposal, buys = case.proposal, case.proposal.side == "buy"
    opposite = [order for order in case.working if order.side != proposal.side]
    if not opposite:
        return passed("nothing of ours on the other side")
    if case.reducing and proposal.trigger_price is not None:
        return passed("meets nothing before it fires")
    reach = _certain_reach(case) if case.reducing else case.furthest_price
    for order in opposite:
        if order.trigger_price is not None:
            if not case.reducing and (reach <= order.trigger_price if buys else reach >= order.trigger_price):
                message = f"a stop of ours sends at {plain(order.trigger_price)}, where the order would stand"
                return Ruling("deny", message, order.trigger_price, reach, case.currency)
        elif order.limit_price is None:
            if not case.reducing:
                return deny("an order of ours on the other side has no limit price")
        elif order.limit_price <= reach if buys else order.limit_price >= reach:
            message = f"an order of ours stands at {plain(order.limit_price)}, within {plain(reach)}"
            return Ruling("deny", message, order.limit_price, reach, case.currency)
    return passed("meets none of ours")


def _certain_reach(case: Case) -> Decimal:
    """The price up to which whatever rests on the other side is met first."""
    buys, limit_price = case.proposal.side == "buy", case.proposal.limit_price
    touch = case.quote.ask if buys else case.quote.bid
    if limit_price is None:
        return touch
    return min(limit_price, touch) if buys else max(limit_price, touch)


_DAY_S = 86_400


@check(
    code="OPTION",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="option",
    entry_only=True,
    only_for="option",
)
def option_permitted(case: Case, limits: OptionLimits) -> Ruling:
    """Refuse an option that expires too soon or too late, whose delta is out of bounds, or that is sold short.

    Too much of them is refused too: in one order, of all together, or too many at once. So is more of
    one that is held at a loss, by the middle of the market or the order's limit price. Without a section
    in the policy no option is entered at all. Leaving one is always allowed, also on the day that it
    expires.
    """
    return strictest(*_terms(case, limits), *_conduct(case, limits), *_sizes(case, limits))


def _terms(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """What the option itself is: its days to expiry, and its delta."""
    terms = case.instrument.option
    if terms is None:
        raise FactMissing("the terms of the option are unknown")
    left_s, minimum_s = -case.age_s(terms.expires_at), Decimal(limits.minimum_days * _DAY_S)
    if left_s <= 0:
        yield Ruling("deny", "the option has expired", left_s, minimum_s, "s")
    elif left_s < minimum_s:
        yield Ruling("deny", f"the option expires in less than {limits.minimum_days} days", left_s, minimum_s, "s")
    if limits.maximum_days is not None and left_s > (maximum_s := Decimal(limits.maximum_days * _DAY_S)):
        yield Ruling("deny", f"the option expires in more than {limits.maximum_days} days", left_s, maximum_s, "s")
    delta = case.facts.deltas.get(case.proposal.symbol)
    if delta is None:
        raise FactMissing("the delta of the option is unknown")
    if abs(delta) < limits.minimum_delta:
        message = f"the delta {plain(delta)} is nearer to nothing than {plain(limits.minimum_delta)}"
        yield Ruling("deny", message, abs(delta), limits.minimum_delta, "delta")
    if abs(delta) > limits.maximum_delta:
        message = f"the delta {plain(delta)} is further from nothing than {plain(limits.maximum_delta)}"
        yield Ruling("deny", message, abs(delta), limits.maximum_delta, "delta")


def _conduct(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """What the order does: sells short, or adds to a loss."""
    proposal, buys = case.proposal, case.proposal.side == "buy"
    sold, owned = proposal.quantity + case.queued, max(case.position, ZERO)
    if limits.long_only and not buys and sold > owned:
        message = f"{plain(sold)} with working sales is more than the {plain(owned)} held"
        yield Ruling("deny", message, sold, owned, case.instrument.base)
    position = case.book.portfolio.positions.get(proposal.symbol)
    if limits.averaging_down or position is None or (position.quantity > ZERO) != buys:
        return
    price = case.mid if proposal.limit_price is None else (min if buys else max)(case.mid, proposal.limit_price)
    worth, size = price * position.quantity, abs(position.cost)
    if worth < position.cost:
        message = f"at {plain(price)} what is held is worth less than it cost"
        yield Ruling("deny", message, abs(worth), size, case.currency)


def _sizes(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """One order, all options and their number, against their limits."""
    options = {s: worth for s, worth in case.exposures.items() if case.instrument_of(s).kind == "option"}
    cap, warn_at = limits.share_of_equity * case.equity, limits.warn_at
    yield within(sum(options.values(), ZERO), cap, unit=f"{case.currency} in options", warn_at=warn_at)
    if limits.trade_share_of_equity is not None:
        cap = limits.trade_share_of_equity * case.equity
        yield within(case.notional, cap, unit=f"{case.currency} in one order of options", warn_at=warn_at)
    if limits.maximum_positions is not None:
        count = Decimal(sum(map(bool, options.values())))
        yield within(count, Decimal(limits.maximum_positions), unit="options at once", warn_at=warn_at)


@check(
    code="SYMBOL",
    source="SEC 15c3-5(c)(2)(ii); RTS 6 Art. 15(5)",
    section="symbol",
    alike_for_all=True,
)
def symbol_permitted(case: Case, limits: SymbolLimits) -> Ruling:
    """Refuse a symbol outside the run's universe, unknown, suspended by its venue, denied, or not on the allow list."""
    symbol = case.proposal.symbol
    if symbol not in case.facts.universe:
        return deny(f"{symbol} is outside the universe")
    if symbol not in case.facts.instruments:
        return deny(f"the instrument {symbol} is unknown")
    if symbol in case.facts.suspended:
        return deny(f"the venue does not trade {symbol} at the moment")
    if symbol in limits.deny:
        return deny(f"the policy denies {symbol}")
    if limits.allow is not None and symbol not in limits.allow:
        return deny(f"{symbol} is not among the symbols that the policy allows")
    return passed("permitted")


@check(
    code="EXIT_SIZE",
    source="DESIGN section 5, every position can be exited",
    entry_only=True,
)
def can_be_exited(case: Case) -> Ruling:
    """Refuse an entry whose position would be too small for the venue to take an exit or a stop.

    What remains after the fee, on spot in the base currency, and on the lot, must be above every minimum at the
    lowest price at which the entry says that it is exited, less 2 %. A minimum that nobody stated refuses nothing.
    """
    proposal, instrument = case.proposal, case.instrument
    gained = after_fee(proposal.quantity, instrument, side=proposal.side)
    position = case.position if proposal.side == "buy" else -case.position
    if position + gained <= ZERO:
        return passed("it opens nothing")
    exits = [price for price in (proposal.stop_price, proposal.target_price) if price is not None]
    why = no_way_out(position + gained, instrument, price=min([case.mid, *exits]))
    return deny(f"what is bought could not be exited: {why}") if why else passed("it can be exited")


@check(
    code="REWARD_RISK",
    source="DESIGN section 3, costs counted before the edge; RTS 6 Art. 15(4), trading strategy and risk tolerance",
    section="reward_risk",
    entry_only=True,
    waivable=True,
)
def reward_covers_risk(case: Case, limits: RewardRiskLimits) -> Ruling:
    """Refuse an entry that, after all costs, gains less at its target than `minimum` times what it loses at its stop.

    Costs are the fee and `slippage_bps` each way, and the spread; a perpetual's funding is left out. The entry counts
    at the touch that it meets now, or at its own limit where that is better: a market that ran away since the
    decision took its reward along. Without a stop a buy can lose all of its price, and a short any amount. Without a
    target no reward is known, and the entry is refused.
    """
    proposal, instrument, quote = case.proposal, case.instrument, case.quote
    if proposal.target_price is None:
        raise FactMissing("the entry names no target_price, so nobody knows what it could gain")
    expected = payoff(
        proposal.side,
        entry=_likely_price(case),
        stop=_stop(case),
        target=proposal.target_price,
        instrument=instrument,
        spread=quote.ask - quote.bid,
        slippage_bps=limits.slippage_bps,
    )
    least, unit = limits.minimum * expected.risk, f"{case.currency} a {instrument.base}"
    if expected.covers(limits.minimum):
        return Ruling("pass", "the reward covers the risk", expected.reward, least, unit)
    message = (
        f"after costs the reward is {plain(expected.reward)} {unit}, which is less than {plain(limits.minimum)} times "
        f"the risk of {plain(expected.risk)}"
    )
    return Ruling("deny", message, expected.reward, least, unit)


def _likely_price(case: Case) -> Decimal:
    """The touch, a trigger that lies beyond it, or a limit that keeps the fill on its better side."""
    proposal, quote = case.proposal, case.quote
    buys = proposal.side == "buy"
    price, worse, better = (quote.ask, max, min) if buys else (quote.bid, min, max)
    if proposal.trigger_price is not None:
        price = worse(price, proposal.trigger_price)
    return price if proposal.limit_price is None else better(price, proposal.limit_price)


def _stop(case: Case) -> Decimal:
    if case.proposal.stop_price is not None:
        return case.proposal.stop_price
    if case.proposal.side == "buy":
        return ZERO
    raise FactMissing("a short position without a stop can lose any amount")
