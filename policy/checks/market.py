"""Checks of the market: whether its data can be traded on, when it trades, and whether it speaks for the order."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from domain.digest import plain
from domain.money import BPS, ZERO
from policy.case import Case
from policy.check import check
from policy.limits.market import ClockLimits, CorroborationLimits, MarketDataLimits, SessionLimits
from policy.limits.order import DepthLimits, SpreadLimits
from policy.market import strength_for
from policy.ruling import FactMissing, Ruling, deny, passed, within


@check(
    code="MARKET_DATA",
    source="FIA 2024, market data reasonability; SEC 15c3-5(c)(1)(ii)",
    section="market_data",
    alike_for_all=True,
)
def quote_usable(case: Case, limits: MarketDataLimits) -> Ruling:
    """Refuse when the quote is missing, crossed, from the future or too old, and an entry when it jumped.

    A jump is the distance of the middle of the market from the last close, and from the close before that: just after
    a bar has closed, and on recorded candles always, the quote is that close itself, and a jump lies within the bar.
    A market that really jumped must still let a position be left, and is entered again a bar later. While this symbol,
    or another that is held or has orders working, showed no quote in this cycle, an older one serves exits alone: every
    entry is refused.
    """
    quote = case.quote
    age_s = case.age_s(quote.at)
    if age_s < 0:
        return deny(f"the quote is {plain(-age_s)} s from the future")
    if quote.bid > quote.ask:
        return deny(f"the quote is crossed: bid {plain(quote.bid)}, ask {plain(quote.ask)}")
    max_age_s = limits.max_age_of(case.instrument)
    if age_s > max_age_s:
        message = f"the quote is {plain(age_s)} s old, and {plain(max_age_s)} s are allowed"
        return Ruling("deny", message, age_s, max_age_s, "s")
    if not case.reducing:
        if case.facts.dated:
            symbols = ", ".join(sorted(case.facts.dated))
            return deny(f"no quote of {symbols} came in this cycle, and an older one serves exits only")
        bars = case.bars_of(case.proposal.symbol)
        for close, name in ((bars.last_close, "the last close"), (bars.previous_close, "the close before the last")):
            if close is None:
                continue
            jump, allowed = abs(case.mid - close), close * limits.max_jump_bps / BPS
            if jump > allowed:
                message = f"the market is {plain(jump)} from {name}, and {plain(allowed)} is allowed"
                return Ruling("deny", message, jump, allowed, case.currency)
    return Ruling("pass", "fresh", age_s, max_age_s, "s")


@check(
    code="SPREAD",
    source="FIA 2024, market data reasonability; proprietary firms' rules",
    section="spread",
    entry_only=True,
    waivable=True,
    alike_for_all=True,
)
def spread_within(case: Case, limits: SpreadLimits) -> Ruling:
    """Refuse an entry while the ask lies further above the bid than `maximum_bps` of the middle."""
    quote = case.quote
    allowed = case.mid * limits.maximum_bps / BPS
    return within(quote.ask - quote.bid, allowed, unit=f"{case.currency} of spread", warn_at=limits.warn_at)


@check(
    code="DEPTH",
    source="RTS 6 Art. 15(1)(c); proprietary firms' rules",
    section="depth",
    entry_only=True,
    waivable=True,
)
def depth_suffices(case: Case, limits: DepthLimits) -> Ruling:
    """Refuse an entry for more than its share of the size shown at the touch that it would meet.

    A size that is not known refuses too, but for desks in `allow_unknown`.
    """
    touch, size = ("ask", case.quote.ask_size) if case.proposal.side == "buy" else ("bid", case.quote.bid_size)
    if size is None:
        if case.facts.mode in limits.allow_unknown:
            return passed(f"the market shows no size of the {touch}, and the policy allows that on {case.facts.mode}")
        raise FactMissing(f"the size of the {touch} is unknown")
    return within(
        case.proposal.quantity, limits.share_of_touch * size, unit=case.instrument.base, warn_at=limits.warn_at
    )


@check(
    code="SESSION",
    source="SEC 15c3-5(c)(2)(i), requirements to be met before an order",
    section="session",
    alike_for_all=True,
)
def session_open(case: Case, limits: SessionLimits) -> Ruling:
    """Refuse everything in a closed market or under maintenance, and entries in extended hours unless allowed.

    What is let through in extended hours has a warning.
    Crypto trades at all hours and is open where nothing else is known; of every other asset class
    the session must be known.
    """
    session = case.facts.sessions.get(case.proposal.symbol)
    if session is None:
        asset_class = case.instrument.asset_class
        if asset_class != "crypto":
            raise FactMissing(f"the session of this {asset_class} instrument is unknown")
        return passed("crypto is always open")
    match session:
        case "open":
            return passed("open")
        case "extended" if case.reducing or limits.extended_hours:
            return Ruling("warn", "extended hours: fewer orders rest, and spreads are wider")
        case "extended":
            return deny("no entries are made in extended hours")
        case "closed":
            return deny("the market is closed")
        case "maintenance":
            return deny("the market is under maintenance")
        case _:
            return deny("the session is unknown")


@check(
    code="CLOCK_SKEW",
    source="RTS 25 (Reg. (EU) 2017/574) Art. 3",
    section="clock",
    alike_for_all=True,
)
def clocks_agree(case: Case, limits: ClockLimits) -> Ruling:
    """Refuse every order when our clock is off the venue's by more than `max_skew_ms`, either way.

    A skew that was not measured refuses entries only: a wrong clock makes every age wrong, but
    merely not knowing must not keep anyone from leaving.
    """
    skew = case.facts.clock_skew_ms
    if skew is None:
        if case.reducing:
            return passed("the clock skew is unknown, and the order only reduces")
        raise FactMissing("the clock skew is unknown")
    if abs(skew) > limits.max_skew_ms:
        side = "ahead of" if skew > 0 else "behind"
        message = f"our clock is {plain(abs(skew))} ms {side} the venue's, and {plain(limits.max_skew_ms)} are allowed"
        return Ruling("deny", message, abs(skew), limits.max_skew_ms, "ms")
    return Ruling("pass", "the clocks agree", abs(skew), limits.max_skew_ms, "ms")


@check(
    code="CORROBORATION",
    source="DESIGN rule 5",
    section="corroboration",
    entry_only=True,
    waivable=True,
    alike_for_all=True,
)
def corroborated(case: Case, limits: CorroborationLimits) -> Ruling:
    """Refuse an entry that cites evidence of fewer origins than required, or nothing but untrusted text.

    All that a venue shows is one origin, and each publisher of headlines is one. What the desk wrote or worked out
    itself is none: its goal, its portfolio, its lessons, its detectors, the tone of headlines. A thesis that cites
    nothing has no origin, which is known, and is graded like any other breach. What is cited proves nothing: see
    `SUPPORT`.
    """
    support = case.facts.support.get(case.proposal.symbol, ())
    count, least = Decimal(len({piece.source for piece in support})), Decimal(limits.minimum_sources)
    if count < least:
        message = f"cites {count} independent sources, and {least} are needed"
        return Ruling("deny", message, count, least, "sources")
    if limits.trusted and not any(piece.trusted for piece in support):
        return Ruling("deny", "cites nothing but untrusted text", count, least, "sources")
    return Ruling("pass", "corroborated", count, least, "sources")


_STATE_IT: Final = "state what causes it: stop, target, time, flatten, halve or protection"


@check(code="SUPPORT", source="DESIGN rule 5")
def supported(case: Case) -> Ruling:
    """Refuse an entry, and an exit because a thesis turned, that no venue data of this cycle supports.

    Detectors look at indicators, candles and quotes alone. The strengths of those that say what the order does, less
    the strengths of those that say the opposite, must be above zero. What a model says or cites counts for nothing
    here: a text can stop, shrink or delay an order that venue data supports, and brings about no other. An exit at a
    stop, a target or a time limit, one that a halt or a loss limit asks for, and a stop that the venue is to hold
    need no support. An exit that does not say what causes it is judged as one by thesis, and so is one whose word does
    not hold: at a stop or a target that its quote has not met, or that the position has not, at the end of a time that
    nobody knows the beginning of, or as protection that does not wait. That a halt or a loss limit asks for an exit
    is taken at its word. No policy turns this off, and nobody can let it stand.
    """
    proposal = case.proposal
    opinion = not case.reducing or proposal.cause == "thesis"
    doubt = "" if opinion else _doubt(case)
    if not (opinion or doubt):
        return passed("passed by: an exit that is no matter of opinion")
    why = f"; {doubt}: {_STATE_IT}" if doubt else ""
    signals = case.facts.venue_signals.get(proposal.symbol)
    if signals is None:
        raise FactMissing(f"no detector looked at venue data in this cycle{why}")
    strength = strength_for(proposal.side, signals)
    if strength <= ZERO:
        return Ruling("deny", f"venue data supports no {proposal.side}{why}", strength, ZERO, "strength")
    return Ruling("pass", f"venue data supports the {proposal.side}", strength, ZERO, "strength")


def _doubt(case: Case) -> str:
    """Why an exit that says it is none by thesis is judged as one; empty where what it says holds, or can't be seen."""
    if case.protects:
        return ""
    sells = case.proposal.side == "sell"
    position = case.book.portfolio.positions[case.proposal.symbol]
    match case.proposal.cause:
        case "stop":
            stop = case.facts.stops.get(position.symbol, position.stop_price)
            price = case.quote.bid if sells else case.quote.ask
            if stop is None:
                return "the exit says that it is at its stop, and the position has none"
            if price > stop if sells else price < stop:
                return f"the exit says that it is at its stop, and {plain(price)} has not met {plain(stop)}"
        case "target":
            target, limit = position.target_price, case.proposal.limit_price
            price = case.quote.bid if sells else case.quote.ask
            if limit is not None:  # it may wait there
                price = max(price, limit) if sells else min(price, limit)
            if target is None:
                return "the exit says that it is at its target, and the position has none"
            if price < target if sells else price > target:
                return f"the exit says that it is at its target, and {plain(price)} has not met {plain(target)}"
        case "time" if position.opened_at is None:
            return "the exit says that its time is up, and nobody knows since when the position is held"
        case "protection":
            return "the exit says that it is protection, and is no stop that waits"
        case None | "entry":
            return "the exit does not say what causes it"
    return ""
