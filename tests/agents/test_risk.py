"""Risk leaves what must be left and sizes what may be entered; every number is computed here."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.duty import Duty
from agents.risk import Plan, RiskAgent, riskiest
from agents.settings import RiskSettings
from builders.desks import (
    SWAP,
    Notes,
    a_desk,
    a_position,
    a_price,
    a_thesis,
    an_account,
    an_episode,
    out,
    readings,
    risk_settings,
    supporting,
)
from builders.policy import an_instrument
from builders.tools import BTC, ETH, START, STEP
from domain.decision import Proposal
from domain.instrument import Instrument
from domain.money import on_grid
from domain.order import OrderState, Side
from domain.sizing import OrderCaps
from domain.value import Value
from tools.indicators import Indicators
from tools.quotes import QuoteReading

FEW = hypothesis_settings(max_examples=60)
SHORTS = risk_settings(allow_short=True)


def decimals(low: int, high: int) -> st.SearchStrategy[Decimal]:
    """Numbers from 10^low up to 10^(high + 1), with few digits or many."""
    digits = st.integers(1, 99) | st.integers(10**11, 10**12 - 1)
    return st.builds(lambda n, power: Decimal(n).scaleb(power - len(str(n)) + 1), digits, st.integers(low, high))


grids = st.integers(-12, 2).map(lambda power: Decimal(1).scaleb(power)) | st.sampled_from(
    [Decimal("0.25"), Decimal("0.5"), Decimal("5")]
)
instruments = st.builds(
    lambda tick, lot, least: Instrument(symbol=BTC, kind="spot", tick_size=tick, lot_size=lot, min_notional=least),
    grids,
    grids,
    st.sampled_from([Decimal(0), Decimal(5)]),
)
shares = st.decimals(min_value=0, max_value=1, places=3)
prices = decimals(-8, 8)
settings = st.builds(
    RiskSettings,
    risk_per_trade=shares,
    max_position=shares,
    min_conviction=st.just(Decimal(0)),
    stop_atr=decimals(-1, 1),
    target_atr=decimals(-1, 1),
    min_stop=st.sampled_from([Decimal(0), Decimal("0.002"), Decimal("0.5"), Decimal(1)]),
    allow_short=st.just(True),
)


async def plan(*told: Value, theses: Any = (), **over: Any) -> Plan:
    return await RiskAgent()(theses, a_desk(*told, **over))


async def one(*told: Value, **over: Any) -> Proposal:
    found = await plan(*(told or (a_price(), readings())), **over)
    assert len(found.proposals) == 1, found.declined
    return found.proposals[0]


async def declined(*told: Value, symbol: str = BTC, **over: Any) -> str:
    found = await plan(*(told or (a_price(), readings())), **over)
    assert found.proposals == ()
    return dict(found.declined).get(symbol, "")


# Entries


@st.composite
def markets(draw: st.DrawFn) -> tuple[Instrument, QuoteReading, Indicators]:
    """A swap at any price, with a grid, a spread and a range that suit it more or less."""
    bid = draw(prices)
    finest = bid.adjusted() - draw(st.integers(0, 6))
    instrument = Instrument(
        symbol=SWAP,
        kind="swap",
        tick_size=Decimal(1).scaleb(finest),
        lot_size=Decimal(1).scaleb(-bid.adjusted() - draw(st.integers(-3, 6))),
        min_notional=draw(st.sampled_from([Decimal(0), Decimal(5)])),
    )
    ask = bid + draw(st.integers(0, 20)) * instrument.tick_size
    atr = draw(st.sampled_from(["0", "0.0001", "0.001", "0.01", "0.3"]).map(Decimal)) * bid
    return instrument, a_price(SWAP, bid=bid, ask=ask), readings(SWAP, close=bid, atr_14=atr)


@FEW
@given(market=markets(), conviction=shares, given_settings=settings, side=st.sampled_from(["buy", "sell"]))
async def test_any_entry_keeps_its_limits_and_its_exits_lie_around_the_market(
    market: tuple[Instrument, QuoteReading, Indicators], conviction: Decimal, given_settings: RiskSettings, side: Side
) -> None:
    instrument, seen, read = market
    desk = a_desk(
        seen,
        read,
        instruments={SWAP: instrument},
        settings=risk_settings(**given_settings.model_dump()),
        venue_signals={SWAP: supporting(side)},
    )
    found = await RiskAgent()([a_thesis(SWAP, stance=side, conviction=conviction)], desk)
    assert len(found.proposals) + len(found.declined) == 1
    for proposal in found.proposals:
        assert (proposal.symbol, proposal.side, proposal.reduce_only) == (SWAP, side, False)
        assert on_grid(proposal.quantity, instrument.lot_size)
        assert proposal.stop_price is not None
        assert proposal.target_price is not None
        assert on_grid(proposal.stop_price, instrument.tick_size)
        assert on_grid(proposal.target_price, instrument.tick_size)
        entry = seen.ask if side == "buy" else seen.bid
        if side == "buy":
            assert 0 < proposal.stop_price < seen.bid <= seen.ask < proposal.target_price
        else:
            assert 0 < proposal.target_price < seen.bid <= seen.ask < proposal.stop_price
        assert (proposal.type, proposal.time_in_force) == ("limit", "IOC")
        assert proposal.limit_price is not None
        assert on_grid(proposal.limit_price, instrument.tick_size)
        assert abs(proposal.limit_price - entry) * 10_000 <= entry * given_settings.entry_bound_bps
        worst = proposal.limit_price if side == "buy" else seen.ask
        assert proposal.quantity * worst <= 10_000 * given_settings.max_position
        lost = proposal.quantity * abs(proposal.limit_price - proposal.stop_price)
        assert lost <= 10_000 * given_settings.risk_per_trade


async def test_an_entry_in_numbers() -> None:
    # A round trip costs the spread of 1 and 2 bps each way, 1.0402: thrice that is more than 2 average true ranges.
    # Equity 10,000: 50 at risk over 3.5 is 14.29; 10 % at a conviction of 0.8 is 800, 7.94 at the ask and 25 bps.
    found = await one(theses=[a_thesis()])
    assert (found.side, found.type, found.quantity) == ("buy", "limit", Decimal("7.75"))
    assert (found.limit_price, found.time_in_force) == (Decimal("100.5"), "IOC")
    assert (found.stop_price, found.target_price) == (Decimal("97"), Decimal("106.5"))
    assert (found.conviction, found.rationale) == (Decimal("0.8"), "it trends")


@pytest.mark.parametrize(
    ("told", "over", "reason"),
    [
        ((), {"theses": [a_thesis(stance="hold")]}, ""),
        ((), {"theses": [a_thesis(stance="abstain", conviction="0", failure="timeout")]}, ""),
        ((), {"theses": [a_thesis(conviction="0.54")]}, "conviction 0.54 is below 0.55"),
        ((), {"theses": [a_thesis(stance="sell")]}, "nothing held to sell, and no shorts"),
        ((), {"theses": [a_thesis(stance="sell")], "settings": SHORTS}, "nothing held to sell, and no shorts"),
        ((), {"theses": [a_thesis()], "working": (out(side="buy"),)}, "an order is already working"),
        ((), {"theses": [a_thesis()], "portfolio": None}, "the portfolio can't be priced"),
        (
            (),
            {"theses": [a_thesis()], "portfolio": an_account(a_position(ETH), marks={})},
            "the portfolio can't be priced",
        ),
        (
            (),
            {"theses": [a_thesis()], "portfolio": an_account(cash="-1")},
            "too small to trade: the quantity 0 is below the lot 0.25",
        ),
        (
            (),
            {"theses": [a_thesis()], "portfolio": an_account(cash="20")},
            "too small to trade: the quantity 0 is below the lot 0.25",
        ),
        ((readings(),), {"theses": [a_thesis()]}, "no quote or no average true range to size by"),
        ((a_price(),), {"theses": [a_thesis()]}, "no quote or no average true range to size by"),
        (
            (a_price(), readings(atr_14=None)),
            {"theses": [a_thesis()]},
            "no quote or no average true range to size by",
        ),
        (
            (a_price(), readings(atr_14="0")),
            {"theses": [a_thesis()], "settings": risk_settings(min_stop="0", stop_costs="0")},
            "the market does not move: no distance to put a stop at",
        ),
        ((a_price(), readings(atr_14="60")), {"theses": [a_thesis()]}, "the exits would lie below zero"),
        (
            (a_price(), readings(atr_14="0.1")),
            {"theses": [a_thesis()], "settings": risk_settings(stop_costs="0.9")},
            "reward 0.45 % after costs against risk 2.02 %: 0.22 is below 1",
        ),
        (
            (a_price(), readings(atr_14="0.1")),
            {"theses": [a_thesis()], "settings": risk_settings(stop_costs="0.1", target_atr="40")},
            "the spread, the tick and the bound leave no room for the exits",
        ),
        (
            (),
            {"theses": [a_thesis()], "instruments": {BTC: an_instrument(min_notional="800")}},
            "too small to trade: the notional 778.875 is below the minimum 800",
        ),
    ],
)
async def test_what_is_not_entered_says_why(told: tuple[Value, ...], over: dict[str, Any], reason: str) -> None:
    found = await plan(*(told or (a_price(), readings())), **over)
    assert found.proposals == ()
    assert dict(found.declined).get(BTC, "") == reason


async def test_a_short_is_entered_on_a_swap_and_its_exits_are_the_other_way_round() -> None:
    told = (a_price(SWAP), readings(SWAP))
    signals = {SWAP: supporting("sell")}
    found = await one(*told, theses=[a_thesis(SWAP, stance="sell")], settings=SHORTS, venue_signals=signals)
    assert (found.side, found.reduce_only) == ("sell", False)
    assert (found.type, found.limit_price) == ("limit", Decimal("99.5"))
    assert (found.stop_price, found.target_price) == (Decimal("103"), Decimal("93.5"))


async def test_a_market_at_a_hundred_millionth_is_sized_like_any_other() -> None:
    tiny = an_instrument(tick_size="1e-12", lot_size="1000")
    found = await one(
        a_price(bid="0.9999e-8", ask="1.0001e-8"),
        readings(close="1e-8", atr_14="1e-10"),
        theses=[a_thesis()],
        instruments={BTC: tiny},
    )
    assert found.stop_price == Decimal("9.801e-9")
    assert found.quantity == Decimal(79_792_519_000)


@pytest.mark.parametrize(("bars", "rests"), [(11, True), (12, False)])
async def test_a_symbol_rests_after_its_last_trade(bars: int, rests: bool) -> None:
    memory = Notes(an_episode(closed_at=START - bars * STEP))
    found = await plan(a_price(), readings(), theses=[a_thesis()], memory=memory)
    assert dict(found.declined).get(BTC) == ("a trade was closed less than 12 bars ago" if rests else None)


@pytest.mark.parametrize(("bars", "rests"), [(1, True), (0, False)])
async def test_a_trade_that_has_just_closed_counts_before_it_is_an_episode(bars: int, rests: bool) -> None:
    found = await plan(
        a_price(),
        readings(),
        theses=[a_thesis()],
        just_closed=frozenset({BTC}),
        settings=risk_settings(reenter_after_bars=bars),
    )
    assert bool(found.declined) == rests


# Exits


@pytest.mark.parametrize(
    ("held", "bid", "ask", "cause"),
    [
        (a_position(), "90", "91", "stop"),
        (a_position(), "110", "111", "target"),
        (a_position(), "90.5", "91", None),
        (a_position(quantity="-5"), "109", "110", "stop"),
        (a_position(quantity="-5"), "89", "90", "target"),
        (a_position(quantity="-5"), "109", "109.5", None),
        (a_position(opened_at=START - 96 * STEP), "100", "101", "time"),
        (a_position(opened_at=START - 95 * STEP), "100", "101", None),
        (a_position(stop_price=None, target_price=None, opened_at=None), "1", "2", None),
    ],
)
async def test_a_position_is_left_at_its_stop_its_target_or_its_time(
    held: Any, bid: str, ask: str, cause: str | None
) -> None:
    found = await plan(a_price(bid=bid, ask=ask), portfolio=an_account(held))
    if cause is None:
        assert (found.proposals, found.declined) == ((), ((BTC, "position kept"),))
        return
    (left,) = found.proposals
    assert (left.rationale, left.quantity, left.reduce_only, left.type) == (cause, Decimal(5), True, "market")
    assert left.side == ("sell" if held.quantity > 0 else "buy")


@pytest.mark.parametrize(
    ("thesis", "cause"),
    [
        (a_thesis(stance="sell", conviction="0.55"), "thesis turned: it trends"),
        (a_thesis(stance="sell", conviction="0.54"), None),
        (a_thesis(stance="buy"), None),
        (a_thesis(stance="hold"), None),
        (a_thesis(stance="abstain", conviction="0", failure="timeout"), None),
    ],
)
async def test_a_held_symbol_is_left_when_its_thesis_turns_and_never_entered_again(
    thesis: Any, cause: str | None
) -> None:
    found = await plan(
        a_price(),
        readings(),
        portfolio=an_account(a_position()),
        theses=[thesis],
        venue_signals={BTC: supporting("sell")},
    )
    assert [(p.rationale, p.cause) for p in found.proposals] == ([(cause, "thesis")] if cause else [])
    assert all(p.reduce_only for p in found.proposals)


# What venue data supports


UNSEEN = "nothing supports a buy: no detector looked at venue data in this cycle"
MIXED = (*supporting("buy", "0.8"), *supporting("sell", "0.5"))


@pytest.mark.parametrize(
    ("signals", "reason"),
    [
        ({}, UNSEEN),
        ({BTC: ()}, "venue data supports no buy: its signals come to 0"),
        ({ETH: supporting()}, UNSEEN),
        ({BTC: supporting("sell", "0.3")}, "venue data supports no buy: its signals come to -0.3"),
        (
            {BTC: (*supporting("buy", "0.5"), *supporting("sell", "0.5"))},
            "venue data supports no buy: its signals come to 0",
        ),
    ],
)
async def test_no_conviction_enters_what_venue_data_does_not_support(signals: Any, reason: str) -> None:
    assert await declined(theses=[a_thesis(conviction="1")], venue_signals=signals) == reason


@pytest.mark.parametrize(
    ("signals", "conviction", "counts_as"),
    [(supporting("buy", "0.4"), "1", "0.4"), (MIXED, "1", "0.3"), (supporting("buy", "0.9"), "0.6", "0.6")],
)
async def test_conviction_counts_no_further_than_venue_data_supports(
    signals: Any, conviction: str, counts_as: str
) -> None:
    found = await one(theses=[a_thesis(conviction=conviction)], venue_signals={BTC: signals})
    same = await one(theses=[a_thesis(conviction=counts_as)], settings=risk_settings(min_conviction="0"))
    assert found.quantity == same.quantity
    assert found.conviction == Decimal(conviction)


async def test_a_short_needs_signals_that_say_sell() -> None:
    told = (a_price(SWAP), readings(SWAP))
    given = {"theses": [a_thesis(SWAP, stance="sell")], "settings": SHORTS}
    short = await one(*told, **given, venue_signals={SWAP: supporting("sell")})
    assert (short.side, short.cause) == ("sell", "entry")
    reason = await declined(*told, **given, symbol=SWAP, venue_signals={SWAP: supporting("buy")})
    assert reason == "venue data supports no sell: its signals come to -1"


@pytest.mark.parametrize("signals", [(), supporting("buy"), MIXED])
async def test_a_thesis_alone_ends_no_position_and_the_reason_is_given(signals: Any) -> None:
    over = {"theses": [a_thesis(stance="sell", conviction="1")], "venue_signals": {BTC: signals}}
    reason = await declined(portfolio=an_account(a_position()), **over)
    assert reason.startswith("position kept; venue data supports no sell: its signals come to ")


async def test_a_short_is_left_by_a_thesis_that_venue_data_supports() -> None:
    held = an_account(a_position(SWAP, quantity="-5"))
    given = {"portfolio": held, "theses": [a_thesis(SWAP)]}
    left = await one(a_price(SWAP), **given, venue_signals={SWAP: supporting("buy")})
    assert (left.side, left.cause, left.reduce_only) == ("buy", "thesis", True)
    kept = await plan(a_price(SWAP), **given, venue_signals={SWAP: supporting("sell")})
    assert kept.proposals == ()


@pytest.mark.parametrize(
    ("over", "cause"),
    [
        ({"portfolio": an_account(a_position(stop_price="101"))}, "stop"),
        ({"portfolio": an_account(a_position(target_price="99"))}, "target"),
        ({"portfolio": an_account(a_position(opened_at=START - 96 * STEP))}, "time"),
        ({"portfolio": an_account(a_position()), "duty": Duty(entries=False, flatten=True)}, "flatten"),
        ({"portfolio": an_account(a_position()), "duty": Duty(halve=True)}, "halve"),
    ],
)
async def test_exits_that_are_no_matter_of_opinion_need_no_support(over: dict[str, Any], cause: str) -> None:
    """Not even where a thesis has turned too."""
    for theses in ([], [a_thesis(stance="sell", conviction="1")]):
        left = await one(a_price(), **over, theses=theses, venue_signals={})
        assert (left.cause, left.reduce_only) == (cause, True)


async def test_an_entry_says_that_it_is_one() -> None:
    assert (await one(theses=[a_thesis()])).cause == "entry"


async def test_a_position_without_a_quote_is_kept_and_says_so() -> None:
    assert await declined(a_price(ETH), portfolio=an_account(a_position())) == "no quote to judge the position by"


OLDER = {BTC: a_price(bid="89", ask="90").model_copy(update={"age_s": Decimal(600)})}
"""What BTC showed ten minutes ago, and nothing since."""


async def test_an_exit_goes_by_an_older_quote_where_none_came_and_says_so() -> None:
    left = await one(a_price(ETH), portfolio=an_account(a_position()), dated=OLDER)
    assert (left.symbol, left.cause, left.reference_price) == (BTC, "stop", Decimal("89.5"))
    assert left.rationale == "stop; judged by a quote of 2025-01-01 00:00:00 UTC, 600 s old: none came since"
    assert (await one(a_price(), portfolio=an_account(a_position(stop_price="99.5")), dated={})).rationale == "stop"


async def test_an_older_quote_serves_no_entry() -> None:
    words = await declined(readings(), theses=[a_thesis()], dated=OLDER)
    assert words == "no quote or no average true range to size by"


async def test_nothing_is_entered_or_exited_in_a_suspended_symbol_and_the_others_are() -> None:
    gone = {BTC: "BTC/USDT is not listed on okx"}
    crashed = (a_price(bid="80", ask="81"), a_price(ETH, bid="80", ask="81"))
    books = an_account(a_position(), a_position(ETH))
    found = await plan(*crashed, portfolio=books, suspended=gone)
    assert [p.symbol for p in found.proposals] == [ETH]
    assert found.declined == ((BTC, "BTC/USDT is not listed on okx: it can't be exited"),)
    entry = await declined(theses=[a_thesis()], suspended=gone)
    assert entry == "BTC/USDT is not listed on okx: it can't be entered"


async def test_a_position_without_a_mark_does_not_lock_the_others_in() -> None:
    portfolio = an_account(a_position(), a_position(ETH), marks={BTC: Decimal(90)})
    found = await plan(a_price(bid="90", ask="91"), portfolio=portfolio)
    assert [(p.symbol, p.rationale) for p in found.proposals] == [(BTC, "stop")]


async def test_exits_come_before_entries() -> None:
    found = await plan(
        a_price(),
        readings(),
        a_price(ETH, bid="80", ask="81"),
        a_price(SWAP, bid="80", ask="81"),
        portfolio=an_account(a_position(ETH), a_position(SWAP)),
        theses=[a_thesis(BTC)],
    )
    assert [(p.symbol, p.reduce_only) for p in found.proposals] == [(SWAP, True), (ETH, True), (BTC, False)]


@FEW
@given(
    st.lists(
        st.tuples(st.sampled_from([BTC, ETH, SWAP]), st.sampled_from(["5", "-5"]), st.booleans()),
        unique_by=lambda entry: entry[0],
    ),
    st.lists(st.sampled_from([BTC, ETH, SWAP]), unique=True),
)
async def test_exits_come_before_entries_whatever_is_held_and_wanted(
    held: list[tuple[str, str, bool]], wanted: list[str]
) -> None:
    told: list[Value] = [readings(symbol) for symbol in (BTC, ETH, SWAP)]
    at_stop = {symbol for symbol, _, hit in held if hit}
    for symbol in (BTC, ETH, SWAP):
        short = (symbol, "-5") in {(s, q) for s, q, _ in held}
        level = ("115", "116") if short else ("80", "81")
        told.append(a_price(symbol, bid=level[0], ask=level[1]) if symbol in at_stop else a_price(symbol))
    found = await plan(
        *told,
        portfolio=an_account(*(a_position(s, q) for s, q, _ in held)),
        theses=[a_thesis(symbol) for symbol in wanted],
    )
    kinds = [p.reduce_only for p in found.proposals]
    assert kinds == sorted(kinds, reverse=True)
    assert {p.symbol for p in found.proposals if p.reduce_only} >= at_stop
    assert len({p.symbol for p in found.proposals}) == len(found.proposals)
    assert not {p.symbol for p in found.proposals if not p.reduce_only} & {s for s, _, _ in held}


@FEW
@given(
    held=st.integers(-40, 40).filter(bool),
    leaving=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30), st.sampled_from(["buy", "sell"])), max_size=4),
    lot=st.sampled_from(["0.25", "1", "3"]),
)
async def test_an_exit_never_exceeds_what_is_held_less_what_is_leaving(
    held: int, leaving: list[tuple[int, int, Side]], lot: str
) -> None:
    assume(all(filled < quantity for quantity, filled, _ in leaving))
    working = tuple(
        out(side=side, quantity=str(quantity), filled=str(filled), state=OrderState.UNKNOWN)
        for quantity, filled, side in leaving
    )
    away = "80" if held > 0 else "120"
    found = await plan(
        a_price(bid=away, ask=away),
        portfolio=an_account(a_position(quantity=str(held))),
        working=working,
        instruments={BTC: an_instrument(lot_size=lot)},
    )
    side: Side = "sell" if held > 0 else "buy"
    left = abs(held) - sum(quantity - filled for quantity, filled, way in leaving if way == side)
    if found.proposals:
        (proposal,) = found.proposals
        assert proposal.side == side
        assert 0 < proposal.quantity <= left
        assert on_grid(proposal.quantity, Decimal(lot))
        assert left - proposal.quantity < Decimal(lot)
    else:
        assert left < Decimal(lot)


async def test_dust_is_not_proposed_again_and_again() -> None:
    """The gate refuses what is off the lot or below the minimum notional, for exits too."""
    reason = "stop, and what is held is too small to trade: the quantity 0 is below the lot 0.25"
    held = an_account(a_position(quantity="0.2"))
    assert await declined(a_price(bid="80", ask="81"), portfolio=held) == reason
    priced = {BTC: an_instrument(min_notional="500")}
    held = an_account(a_position())
    reason = "stop, and what is held is too small to trade: the notional 402.5 is below the minimum 500"
    assert await declined(a_price(bid="80", ask="81"), portfolio=held, instruments=priced) == reason


async def test_a_position_below_the_minimum_is_kept_and_says_so() -> None:
    priced = {BTC: an_instrument(min_notional="501")}
    assert await declined(portfolio=an_account(a_position()), instruments=priced) == (
        "position kept; it is too small to exit: the notional 500 is below the minimum 501"
    )


async def test_an_entry_that_could_not_be_exited_again_is_declined_with_the_numbers() -> None:
    """778.875 are bought, and at the stop and its margin they would be worth less than an exit must be."""
    priced = {BTC: an_instrument(min_notional="755")}
    assert await declined(theses=[a_thesis()], instruments=priced) == (
        "too small to exit again: of 7.75 after the fee 7.75 can be sold, at 95.06: "
        "the notional 736.715 is below the minimum 755"
    )


async def test_an_entry_is_no_larger_than_the_venue_takes() -> None:
    for sizes in ({"max_quantity": "3.1"}, {"max_notional": "320"}):
        found = await one(theses=[a_thesis()], instruments={BTC: an_instrument(**sizes)})
        assert found.quantity == 3


async def test_what_binds_market_orders_alone_binds_no_entry() -> None:
    """It is a limit order. What is entered so is exited in several orders."""
    sizes = {"market_max_quantity": "3.1", "market_max_notional": "320"}
    found = await one(theses=[a_thesis()], instruments={BTC: an_instrument(**sizes)})
    assert found.quantity == Decimal("7.75")


EXIT_NOW = a_price(bid="80", ask="81")


@pytest.mark.parametrize(
    "over",
    [
        {"instruments": {BTC: an_instrument(market_max_quantity="2")}},
        {"instruments": {BTC: an_instrument(market_max_notional="170")}},
        {"caps": {BTC: OrderCaps(max_quantity=Decimal(2))}},
        {"caps": {BTC: OrderCaps(max_notional=Decimal(170))}},
    ],
)
async def test_an_exit_larger_than_one_order_may_be_goes_out_in_several(over: dict[str, Any]) -> None:
    found = await plan(EXIT_NOW, portfolio=an_account(a_position()), **over)
    assert [p.quantity for p in found.proposals] == [Decimal(2), Decimal("1.75"), Decimal("1.25")]
    assert {(p.side, p.reduce_only, p.rationale) for p in found.proposals} == {("sell", True, "stop")}
    assert len({p.client_order_id for p in found.proposals}) == 3


async def test_what_more_orders_would_take_than_one_cycle_sends_goes_on_in_the_next() -> None:
    caps = {BTC: OrderCaps(max_quantity=Decimal(1), orders=2)}
    found = await plan(EXIT_NOW, portfolio=an_account(a_position()), caps=caps)
    assert [p.quantity for p in found.proposals] == [Decimal(1), Decimal("0.75")]
    left = an_account(a_position(quantity="3.25"))
    assert len((await plan(EXIT_NOW, portfolio=left, caps=caps)).proposals) == 2


@pytest.mark.parametrize(
    ("over", "leaves"),
    [
        ({"caps": {BTC: OrderCaps(max_quantity=Decimal(2), orders=1)}}, "2"),
        ({"instruments": {BTC: an_instrument(min_quantity="3", market_max_quantity="4")}}, "4"),
    ],
)
async def test_an_exit_that_only_one_order_is_possible_for_is_as_large_as_that_may_be(
    over: dict[str, Any], leaves: str
) -> None:
    """Whole it would be refused as too large, in every cycle."""
    (found,) = (await plan(EXIT_NOW, portfolio=an_account(a_position()), **over)).proposals
    assert found.quantity == Decimal(leaves)


async def test_what_is_leaving_whole_is_not_left_twice() -> None:
    found = await declined(a_price(bid="80", ask="81"), portfolio=an_account(a_position()), working=(out(),))
    assert found == "already leaving"


@FEW
@given(st.text(max_size=200), st.sampled_from(["buy", "sell", "hold", "abstain"]), shares)
async def test_no_text_changes_a_number_or_a_symbol(words: str, stance: str, conviction: Decimal) -> None:
    def bare(found: Plan) -> list[Proposal]:
        return [p.model_copy(update={"rationale": ""}) for p in found.proposals]

    told = (a_price(), readings(), a_price(ETH), readings(ETH))
    over = {"portfolio": an_account(a_position(ETH, opened_at=START - timedelta(minutes=5)))}
    plans = [
        await plan(
            *told,
            **over,
            theses=[
                a_thesis(symbol, stance=stance, conviction=conviction, rationale=text, failure=text)
                for symbol in (BTC, ETH)
            ],
        )
        for text in ("", words)
    ]
    assert bare(plans[0]) == bare(plans[1])
    assert plans[0].declined == plans[1].declined


async def test_an_entry_buys_at_once_or_not_at_all_and_an_exit_until_it_is_out() -> None:
    """A remainder that went on buying would open the position again after its stop."""
    entry = await one(a_price(), readings(), theses=[a_thesis()])
    assert (entry.reduce_only, entry.time_in_force) == (False, "IOC")
    out_of_it = await one(a_price(bid="80", ask="81"), portfolio=an_account(a_position()))
    assert (out_of_it.reduce_only, out_of_it.time_in_force) == (True, "GTC")


# Duties


@pytest.mark.parametrize("entries", [True, False])
async def test_while_entries_are_not_worth_proposing_exits_are(entries: bool) -> None:
    duty = Duty(entries=entries, reason="a doubt")
    told = (a_price(), readings(), a_price(ETH, bid="89", ask="90"))
    planned = await plan(*told, theses=[a_thesis()], portfolio=an_account(a_position(ETH)), duty=duty)
    assert [p.symbol for p in planned.proposals] == ([ETH, BTC] if entries else [ETH])
    assert dict(planned.declined) == ({} if entries else {BTC: "no entries: a doubt"})


async def test_a_flatten_leaves_the_whole_of_every_position_that_has_a_price() -> None:
    held = an_account(a_position(), a_position(ETH, quantity="4"), a_position(SWAP, quantity="-2"))
    duty = Duty(entries=False, flatten=True, reason="a doubt")
    planned = await plan(a_price(), a_price(SWAP), portfolio=held, duty=duty)
    assert [(p.symbol, p.side, p.quantity, p.reduce_only, p.rationale) for p in planned.proposals] == [
        (BTC, "sell", 5, True, "flatten"),
        (SWAP, "buy", 2, True, "flatten"),
    ]
    assert dict(planned.declined) == {ETH: "no quote to judge the position by"}


async def test_half_of_the_riskiest_position_is_left_on_the_lot_and_a_stop_still_leaves_the_whole() -> None:
    held = an_account(a_position(quantity="4.75"), a_position(ETH, quantity="4", stop_price="99"))
    halving = Duty(halve=True, reason="near")
    planned = await plan(a_price(), a_price(ETH), portfolio=held, duty=halving)
    assert [(p.symbol, p.quantity, p.rationale) for p in planned.proposals] == [(BTC, Decimal("2.25"), "halved: near")]
    stopped = await plan(a_price(bid="89", ask="90"), a_price(ETH), portfolio=held, duty=halving)
    assert [(p.symbol, p.quantity, p.rationale) for p in stopped.proposals] == [(BTC, Decimal("4.75"), "stop")]


@given(st.decimals(min_value=0, max_value=1, places=6))
@hypothesis_settings(max_examples=30)
async def test_a_smaller_size_factor_never_makes_a_larger_entry(factor: Decimal) -> None:
    whole, part = [
        (await plan(a_price(), readings(), theses=[a_thesis()], duty=Duty(size_factor=each))).proposals
        for each in (Decimal(1), factor)
    ]
    most = sum(p.quantity for p in whole) * Decimal("100.5")
    assert most > 0
    assert sum(p.quantity for p in part) * Decimal("100.5") <= min(most, 1_000 * factor)


def test_of_positions_without_a_stop_or_a_mark_the_one_that_cost_most_is_the_riskiest() -> None:
    open_ended = a_position(quantity="1", stop_price=None)
    assert riskiest(an_account(open_ended, a_position(ETH, quantity="5"))) == BTC
    assert riskiest(an_account(a_position(quantity="1"), a_position(ETH, quantity="5"))) == ETH
    assert (
        riskiest(an_account(a_position(quantity="1"), a_position(ETH, quantity="5"), marks={BTC: Decimal(100)})) == ETH
    )
    assert riskiest(an_account()) is None
