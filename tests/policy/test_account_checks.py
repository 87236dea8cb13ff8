"""The checks on the account and on the decision, on both sides of every limit: equity 10,000, prices around 100."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.policy import (
    BTC,
    ETH,
    NOW,
    SWAP,
    a_policy,
    a_portfolio,
    a_proposal,
    a_quote,
    a_stop,
    an_exit,
    an_instrument,
    consent_to,
    finding,
    judge,
    signals,
    some_bars,
    some_facts,
    working,
)
from domain.decision import Cause, Proposal
from domain.digest import canonical
from domain.order import OrderState
from graphs.session.profiles import PROFILES, profile
from policy import CHECKS, Facts, Finding, Policy, WorkingOrder
from policy.account import EquityMarks
from policy.escalation import escalation, size_factor
from policy.value_at_risk import Stake, value_at_risk

LONG = {BTC: "5"}
DAY = timedelta(days=1)


def found(code: str, proposal: Proposal | None = None, policy: Policy | None = None, **world: object) -> Finding:
    return finding(judge(proposal, some_facts(**world), policy=policy or a_policy()), code)


def grade(code: str, proposal: Proposal | None = None, policy: Policy | None = None, **world: object) -> str:
    return found(code, proposal, policy, **world).outcome


def a_short(**over: object) -> Proposal:
    return a_proposal(**({"symbol": SWAP, "side": "sell", "stop_price": "105"} | over))


def equity(amount: str) -> dict[str, object]:
    return {"portfolio": a_portfolio(cash=amount)}


# EXPOSURE


@pytest.mark.parametrize(
    ("held", "gross"),
    [({}, 500), ({BTC: "5"}, 1_000), ({ETH: "10"}, 1_500), ({BTC: "5", ETH: "10", SWAP: "-3"}, 2_300)],
)
def test_all_that_is_held_and_wanted_adds_up(held: dict[str, str], gross: int) -> None:
    assert found("EXPOSURE", held=held).observed == gross


# NET_EXPOSURE


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ({ETH: "34.75"}, "pass"),
        ({ETH: "35"}, "warn"),
        ({ETH: "45"}, "warn"),
        ({ETH: "45.25"}, "deny"),
        ({ETH: "50", SWAP: "-5"}, "warn"),
        ({ETH: "50", SWAP: "-4.75"}, "deny"),
        ({SWAP: "-50"}, "warn"),
        ({SWAP: "-50.25"}, "deny"),
    ],
)
def test_one_side_outweighs_the_other_by_at_most_its_share(held: dict[str, str], outcome: str) -> None:
    assert grade("NET_EXPOSURE", held=held) == outcome


@pytest.mark.parametrize(("held", "outcome"), [({SWAP: "-44.75"}, "warn"), ({SWAP: "-45.25"}, "deny")])
def test_a_short_entry_weighs_on_its_own_side(held: dict[str, str], outcome: str) -> None:
    assert grade("NET_EXPOSURE", a_short(limit_price="101"), held=held) == outcome


@pytest.mark.parametrize(
    ("order", "net"),
    [
        ({"symbol": SWAP, "side": "buy", "remaining": "2"}, 3_700),
        ({"symbol": SWAP, "side": "sell", "remaining": "2"}, 3_500),
        ({"symbol": SWAP, "side": "sell", "remaining": "90"}, 6_090),
        ({"symbol": SWAP, "side": "sell", "remaining": "90", "reduce_only": True}, 3_500),
        ({"symbol": ETH, "side": "sell", "remaining": "40", "reduce_only": True}, 3_500),
        ({"symbol": ETH, "side": "buy", "remaining": "40", "reduce_only": True}, 3_500),
    ],
)
def test_working_orders_count_where_they_make_it_worse(order: dict[str, object], net: int) -> None:
    facts = {"held": {ETH: "30"}, "working": [working(**order)]}
    assert found("NET_EXPOSURE", **facts).observed == net


@pytest.mark.parametrize(
    ("symbol", "side", "remaining", "net"),
    [
        (ETH, "sell", "10", 1_000),
        (ETH, "sell", "30", 3_000),
        (ETH, "sell", "90", 3_000),
        (SWAP, "buy", "10", 1_500),
        (SWAP, "buy", "30", 3_500),
        (SWAP, "buy", "90", 3_500),
    ],
)
def test_an_exit_that_fills_may_leave_the_other_side_of_a_hedge_alone(
    symbol: str, side: str, remaining: str, net: int
) -> None:
    leaving = working(symbol=symbol, side=side, remaining=remaining, reduce_only=True)
    assert found("NET_EXPOSURE", held={ETH: "30", SWAP: "-30"}, working=[leaving]).observed == net


quantities = st.integers(1, 40).map(lambda n: Decimal(n) / 4)
orders = st.builds(
    lambda symbol, side, remaining, reduce_only: working(
        symbol=symbol, side=side, remaining=remaining, reduce_only=reduce_only
    ),
    st.sampled_from([BTC, ETH, SWAP]),
    st.sampled_from(["buy", "sell"]),
    quantities,
    st.booleans(),
)
held_quantities = st.dictionaries(st.sampled_from([BTC, ETH, SWAP]), st.sampled_from(["-8", "-3", "2", "9"]))


def worth_once_filled(held: dict[str, str], filled: tuple[WorkingOrder, ...]) -> dict[str, Decimal]:
    """At prices of 100; exits fill first, and never more than is held."""
    left = {symbol: Decimal(quantity) for symbol, quantity in held.items()}
    for order in sorted(filled, key=lambda order: not order.reduce_only):
        now = left.get(order.symbol, Decimal(0))
        quantity = order.remaining
        if order.reduce_only:
            quantity = min(quantity, abs(now)) if (now > 0) == (order.side == "sell") else Decimal(0)
        left[order.symbol] = now + (quantity if order.side == "buy" else -quantity)
    return {symbol: quantity * 100 for symbol, quantity in left.items()}


@settings(max_examples=60)
@given(held_quantities, st.lists(orders, max_size=4))
def test_whatever_fills_net_exposure_and_value_at_risk_were_at_least_that(
    held: dict[str, str], resting: list[WorkingOrder]
) -> None:
    quotes = {symbol: a_quote(symbol, bid="100", ask="100") for symbol in (BTC, ETH, SWAP)}
    facts = some_facts(held=held, working=resting, quotes=quotes)
    verdict = judge(facts=facts)
    net, at_risk = (finding(verdict, code).observed for code in ("NET_EXPOSURE", "VALUE_AT_RISK"))
    assert net is not None
    assert at_risk is not None
    for count in range(len(resting) + 1):
        for filled in combinations(resting, count):
            worth = worth_once_filled(held, filled)
            assert abs(sum(worth.values())) <= net
            worth[BTC] = worth.get(BTC, Decimal(0)) + 500
            assert abs(sum(worth.values())) <= net
            stakes = [Stake(w, w, facts.bars[symbol].returns_ppm) for symbol, w in worth.items()]
            assert value_at_risk(stakes, confidence=Decimal("0.8"), horizon_bars=1) <= at_risk


# LEVERAGE


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ({SWAP: "26.75"}, "pass"),
        ({SWAP: "27"}, "warn"),
        ({SWAP: "35"}, "warn"),
        ({SWAP: "35.25"}, "deny"),
        ({ETH: "90"}, "pass"),
        ({ETH: "-36"}, "deny"),
        ({SWAP: "-35.25"}, "warn"),
    ],
)
def test_swaps_and_shorts_are_held_to_a_multiple_of_equity(held: dict[str, str], outcome: str) -> None:
    assert grade("LEVERAGE", a_proposal(symbol=SWAP), held=held) == outcome


def test_spot_that_is_paid_for_has_no_leverage() -> None:
    facts = {"held": {ETH: "50"}, "working": [working(symbol=ETH, side="sell", remaining="50")]}
    assert found("LEVERAGE", **facts).observed == 0


def test_working_orders_in_swaps_count_towards_leverage() -> None:
    assert found("LEVERAGE", working=[working(symbol=SWAP, remaining="3")]).observed == 300


def test_leverage_in_an_unknown_instrument_refuses() -> None:
    instruments = {BTC: an_instrument()}
    refused = found("LEVERAGE", held={ETH: "1"}, instruments=instruments)
    assert (refused.outcome, refused.message) == ("deny", f"the instrument {ETH} is unknown")


# CORRELATION


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ({SWAP: "18.75"}, "pass"),
        ({SWAP: "19"}, "warn"),
        ({SWAP: "25"}, "warn"),
        ({SWAP: "25.25"}, "deny"),
        ({SWAP: "-25.25"}, "deny"),
        ({ETH: "40"}, "pass"),
        ({BTC: "25.25"}, "deny"),
    ],
)
def test_symbols_that_move_together_are_one_bet(held: dict[str, str], outcome: str) -> None:
    assert grade("CORRELATION", held=held) == outcome


def test_a_short_in_what_moves_against_the_judged_symbol_is_the_same_bet() -> None:
    mirrored = some_bars(returns_ppm=tuple(-r for r in some_bars().returns_ppm))
    bars = {BTC: some_bars(), SWAP: mirrored}
    assert found("CORRELATION", held={SWAP: "-20"}, bars=bars).observed == 2_500
    assert found("CORRELATION", held={SWAP: "20"}, bars=bars).observed == 500
    bars = {BTC: mirrored, SWAP: some_bars()}
    assert found("CORRELATION", a_short(), held={BTC: "20"}, bars=bars).observed == 2_505
    assert found("CORRELATION", a_short(), held={BTC: "-20"}, bars=bars).observed == 505


@pytest.mark.parametrize(
    "bars",
    [
        {},
        {BTC: some_bars()},
        {ETH: some_bars()},
        {BTC: some_bars(), ETH: some_bars(returns_ppm=(-1_500, 2_000, 700))},
        {BTC: some_bars(), ETH: some_bars(returns_ppm=(0, 0, 0, 0, 0, 0))},
    ],
)
def test_what_cannot_be_measured_counts_as_moving_together(bars: dict[str, object]) -> None:
    assert found("CORRELATION", held={ETH: "20"}, bars=bars).observed == 2_500


def in_groups(**groups: object) -> Policy:
    limits = {"threshold": "0.8", "minimum_bars": 4, "share_of_equity": "0.3", "groups": groups}
    return a_policy(correlation=limits)


@pytest.mark.parametrize(
    ("groups", "observed", "unit"),
    [
        ({"majors": [BTC, ETH]}, 2_500, "USDT in the group majors"),
        ({"all": [BTC, ETH, SWAP], "majors": [BTC, ETH]}, 3_500, "USDT in the group all"),
        ({"alone": [BTC]}, 1_500, "USDT moving together"),
        ({"others": [ETH, SWAP]}, 1_500, "USDT moving together"),
        ({"wide": [BTC, "SOL/USDT"]}, 1_500, "USDT moving together"),
    ],
)
def test_of_the_measured_and_the_stated_the_larger_bet_binds(
    groups: dict[str, object], observed: int, unit: str
) -> None:
    bet = found("CORRELATION", policy=in_groups(**groups), held={ETH: "20", SWAP: "10"})
    assert (bet.observed, bet.unit) == (observed, unit)
    assert bet.outcome == ("deny" if observed > 3_000 else "warn" if observed >= 2_400 else "pass")


# DAILY_LOSS, WEEKLY_LOSS, DRAWDOWN


@pytest.mark.parametrize(
    ("code", "amount", "outcome"),
    [
        ("DAILY_LOSS", "10001", "pass"),
        ("DAILY_LOSS", "9760.01", "pass"),
        ("DAILY_LOSS", "9760", "warn"),
        ("DAILY_LOSS", "9700.01", "warn"),
        ("DAILY_LOSS", "9700", "deny"),
        ("DAILY_LOSS", "9699.99", "deny"),
        ("WEEKLY_LOSS", "9600.01", "pass"),
        ("WEEKLY_LOSS", "9600", "warn"),
        ("WEEKLY_LOSS", "9500.01", "warn"),
        ("WEEKLY_LOSS", "9500", "deny"),
        ("WEEKLY_LOSS", "9499.99", "deny"),
        ("DRAWDOWN", "9200.01", "pass"),
        ("DRAWDOWN", "9200", "warn"),
        ("DRAWDOWN", "9000.01", "warn"),
        ("DRAWDOWN", "9000", "deny"),
        ("DRAWDOWN", "8999.99", "deny"),
    ],
)
def test_entries_stop_at_a_loss(code: str, amount: str, outcome: str) -> None:
    assert grade(code, **equity(amount)) == outcome


LOSSES = [
    ("DAILY_LOSS", "daily_loss", "share_of_day_start", "day_start"),
    ("WEEKLY_LOSS", "weekly_loss", "share_of_week_start", "week_start"),
    ("DRAWDOWN", "drawdown", "share_of_high", "high"),
]


@pytest.mark.parametrize("mark", [None, "0", "-1"])
@pytest.mark.parametrize(("code", "section", "share", "name"), LOSSES)
def test_an_unknown_or_empty_mark_refuses_whatever_a_breach_comes_to(
    code: str, section: str, share: str, name: str, mark: str | None
) -> None:
    marks = {"day_start": "10000", "week_start": "10000", "high": "10000"} | {name: mark}
    lenient = a_policy(**{section: {share: "0.5", "on_breach": "review"}})
    refused = found(code, policy=lenient, equity_marks=marks)
    assert refused.outcome == "deny"
    assert refused.message.endswith("is unknown" if mark is None else "was not above zero")


@pytest.mark.parametrize(("code", "section", "share", "name"), LOSSES)
def test_each_loss_is_counted_from_its_own_mark(code: str, section: str, share: str, name: str) -> None:
    marks = {"day_start": "10000", "week_start": "10000", "high": "10000"} | {name: "12000"}
    lost = found(code, policy=a_policy(**{section: {share: "0.25"}}), equity_marks=marks)
    assert (lost.outcome, lost.observed, lost.limit) == ("pass", 2_000, 3_000)


@pytest.mark.parametrize(("code", "section", "share", "name"), LOSSES)
def test_at_its_limit_a_loss_refuses_and_says_that_it_is_reached(
    code: str, section: str, share: str, name: str
) -> None:
    marks = {"day_start": "10000", "week_start": "10000", "high": "10000"} | {name: "12500"}
    lost = found(code, policy=a_policy(**{section: {share: "0.2"}}), equity_marks=marks)
    assert (lost.outcome, lost.message) == ("deny", "2500 has reached the limit of 2500 USDT")


@pytest.mark.parametrize(("code", "section", "share", "name"), LOSSES)
def test_where_nothing_may_be_lost_nothing_lost_is_no_breach(code: str, section: str, share: str, name: str) -> None:
    policy = a_policy(**{section: {share: "0"}})
    assert found(code, policy=policy).outcome == "pass"
    marks = {"day_start": "10000", "week_start": "10000", "high": "10000"} | {name: "10000.01"}
    assert found(code, policy=policy, equity_marks=marks).outcome == "deny"


@settings(deadline=None)
@given(
    st.sampled_from(LOSSES),
    st.integers(1, 100).map(lambda n: Decimal(n) / 100),
    st.integers(-2, 2).map(lambda n: Decimal(n) / 100),
    st.sampled_from(["0", "0.5", "1"]),
)
def test_a_loss_check_refuses_from_where_the_escalation_has_used_all_of_it(
    loss: tuple[str, str, str, str], share: Decimal, beside: Decimal, fall_from: str
) -> None:
    """The check, the step `flatten` and the size of entries: all three turn at the limit itself."""
    code, section, name, mark = loss
    steps = {"alert_at": "0.5", "halve_at": "0.75", "flatten_at": "1"}
    limits = {name: str(share)} | ({"sizes_fall_from": fall_from} if section == "drawdown" else {})
    others = {other: {part: "1"} for _, other, part, _ in LOSSES if other != section}
    policy = a_policy(**{**others, section: limits, "escalation": steps})
    equity_now = 10_000 * (1 - share) + beside
    portfolio = a_portfolio(cash=str(equity_now))
    marks = EquityMarks.model_validate(
        {"day_start": equity_now, "week_start": equity_now, "high": equity_now} | {mark: 10_000}
    )
    refused = found(code, policy=policy, portfolio=portfolio, equity_marks=marks).outcome == "deny"
    assert refused == (escalation(policy, marks, equity_now).step == "flatten") == (beside <= 0)
    if section == "drawdown" and refused:
        assert size_factor(policy, marks, equity_now) == 0


# COOLDOWN


def closed(profit: str, *, ago_s: float, symbol: str = BTC) -> dict[str, object]:
    return {"symbol": symbol, "closed_at": NOW - timedelta(seconds=ago_s), "profit": profit}


@pytest.mark.parametrize(
    ("trades", "outcome"),
    [
        ([], "pass"),
        ([closed("-1", ago_s=3_600)], "pass"),
        ([closed("-1", ago_s=3_599.999999)], "deny"),
        ([closed("-1", ago_s=-5)], "deny"),
        ([closed("-0.01", ago_s=10, symbol=ETH)], "pass"),
        ([closed("0", ago_s=10)], "pass"),
        ([closed("-1", ago_s=20), closed("5", ago_s=10)], "deny"),
        ([closed("-1", ago_s=4_000), closed("-1", ago_s=3_000)], "deny"),
    ],
)
def test_a_symbol_rests_after_a_losing_trade(trades: list[dict[str, object]], outcome: str) -> None:
    assert grade("COOLDOWN", closed=trades) == outcome


@pytest.mark.parametrize(
    ("profits", "last_ago_s", "outcome"),
    [
        (("-1", "-1", "-1"), 7_199.999999, "deny"),
        (("-1", "-1", "-1"), 7_200, "pass"),
        (("-1", "-1"), 10, "pass"),
        (("-1", "-1", "0"), 10, "pass"),
        (("-1", "5", "-1", "-1"), 10, "pass"),
        (("5", "-1", "-1", "-1"), 10, "deny"),
        (("-1", "-1", "-1", "-1"), 10, "deny"),
        (("-1", "-1", "-1", "5"), 10, "pass"),
    ],
)
def test_all_symbols_rest_after_losing_trades_in_a_row(
    profits: tuple[str, ...], last_ago_s: float, outcome: str
) -> None:
    first = len(profits) - 1
    trades = [closed(p, ago_s=last_ago_s + 100 * (first - i), symbol=(ETH, SWAP)[i % 2]) for i, p in enumerate(profits)]
    assert grade("COOLDOWN", closed=trades) == outcome


def test_a_rest_says_how_long_it_is() -> None:
    rest = found("COOLDOWN", closed=[closed("-1", ago_s=60)])
    assert rest.message == "the last losing trade in BTC/USDT closed 60 s ago, and the rest is 3600 s"
    assert (rest.observed, rest.limit, rest.unit) == (60, 3_600, "s")
    pause = found("COOLDOWN", closed=[closed("-1", ago_s=60, symbol=ETH)] * 3)
    assert pause.message == "the last of 3 losing trades in a row closed 60 s ago, and the rest is 7200 s"


# OPEN_RISK


@pytest.mark.parametrize(("held", "outcome"), [("42.75", "pass"), ("43", "warn"), ("55", "warn"), ("55.25", "deny")])
def test_all_stops_together_lose_at_most_their_share(held: str, outcome: str) -> None:
    assert grade("OPEN_RISK", held={ETH: held}) == outcome


@pytest.mark.parametrize(
    ("order", "risk"),
    [
        ({"remaining": "2"}, 35),
        ({"remaining": "2", "limit_price": "98"}, 31),
        ({"remaining": "2", "limit_price": None}, 37),
        ({"remaining": "2", "stop_price": None}, 225),
        ({"remaining": "2", "symbol": SWAP, "side": "sell", "stop_price": "105"}, 35),
        ({"remaining": "2", "reduce_only": True}, 25),
        ({"remaining": "2", "state": OrderState.UNKNOWN}, 35),
    ],
)
def test_open_risk_counts_working_entries(order: dict[str, object], risk: int) -> None:
    assert found("OPEN_RISK", working=[working(**order)]).observed == risk


def test_a_short_without_a_stop_can_lose_any_amount() -> None:
    order = working(symbol=SWAP, side="sell", stop_price=None)
    assert found("OPEN_RISK", working=[order]).message == "a short position without a stop can lose any amount"
    assert grade("OPEN_RISK", working=[order]) == "deny"


# VALUE_AT_RISK


@pytest.mark.parametrize(
    ("share", "outcome"), [("0.0002", "pass"), ("0.0000625", "warn"), ("0.00005", "warn"), ("0.000049", "deny")]
)
def test_a_bad_bar_costs_at_most_its_share(share: str, outcome: str) -> None:
    limits = {"confidence": "0.8", "minimum_bars": 5, "horizon_bars": 1, "share_of_equity": share}
    judged = found("VALUE_AT_RISK", policy=a_policy(value_at_risk=limits))
    assert (judged.observed, judged.outcome) == (Decimal("0.5"), outcome)


@pytest.mark.parametrize(
    ("held", "value"),
    [({}, "0.5"), ({BTC: "10"}, "1.5"), ({SWAP: "10"}, "1.5"), ({SWAP: "-5"}, "0"), ({SWAP: "-10"}, "0.5")],
)
def test_positions_count_with_their_signs(held: dict[str, str], value: str) -> None:
    assert found("VALUE_AT_RISK", held=held).observed == Decimal(value)


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ({"remaining": "10"}, "1.5"),
        ({"remaining": "10", "symbol": SWAP}, "1.5"),
        ({"remaining": "5", "symbol": SWAP, "side": "sell"}, "0.5"),
        ({"remaining": "20", "symbol": SWAP, "side": "sell"}, "1.52"),
        ({"remaining": "20", "symbol": SWAP, "side": "sell", "reduce_only": True}, "0.5"),
    ],
)
def test_working_orders_fill_in_the_bars_where_they_lose(order: dict[str, object], value: str) -> None:
    assert found("VALUE_AT_RISK", working=[working(**order)]).observed == Decimal(value)


def test_what_is_held_in_a_suspended_symbol_has_no_bars_and_keeps_nothing_else_out() -> None:
    """It counts whole as exposure, and as moving together."""
    bars = {BTC: some_bars(returns_ppm=(1_000, -1_000, 1_000, -1_000, 1_000))}
    unread = found("VALUE_AT_RISK", held={SWAP: "10"}, bars=bars)
    assert (unread.outcome, unread.observed) == ("deny", None)
    left_out = found("VALUE_AT_RISK", held={SWAP: "10"}, bars=bars, suspended=frozenset({SWAP}))
    assert left_out.observed == found("VALUE_AT_RISK", bars=bars).observed
    exposed = found("EXPOSURE", held={SWAP: "10"}, bars=bars, suspended=frozenset({SWAP})).observed
    assert exposed == found("EXPOSURE", held={SWAP: "10"}).observed


def test_a_short_entry_is_at_risk_of_rising_prices() -> None:
    rising = some_bars(returns_ppm=(1_000, 2_000, 3_000, 4_000, 5_000))
    bars = {BTC: rising, SWAP: rising}
    assert found("VALUE_AT_RISK", a_short(), bars=bars).observed == Decimal("505") * 4 / 1_000
    assert found("VALUE_AT_RISK", bars=bars).observed == 0


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ((1, 2, 3, 4, 5), "within the limit"),
        ((1, 2, 3, 4), f"there are 4 returns of {ETH}, and 5 are needed"),
        ((), f"there are 0 returns of {ETH}, and 5 are needed"),
    ],
)
def test_too_few_returns_of_any_symbol_refuse(returns: tuple[int, ...], message: str) -> None:
    bars = {BTC: some_bars(), ETH: some_bars(returns_ppm=returns)}
    lenient = a_policy(
        value_at_risk={
            "confidence": "0.8",
            "minimum_bars": 5,
            "horizon_bars": 1,
            "share_of_equity": "0.02",
            "on_breach": "warn",
        }
    )
    judged = found("VALUE_AT_RISK", policy=lenient, held={ETH: "1"}, bars=bars)
    assert judged.message == message
    assert judged.outcome == ("pass" if message.startswith("within") else "deny")


def test_the_bars_that_all_symbols_have_in_common_are_the_last_ones() -> None:
    bars = {BTC: some_bars(returns_ppm=(-900_000, -900_000, 0, 0, 0, 0, 0)), ETH: some_bars(returns_ppm=(0,) * 5)}
    assert found("VALUE_AT_RISK", held={ETH: "1"}, bars=bars).observed == 0


def test_without_bars_the_value_at_risk_is_unknown() -> None:
    assert found("VALUE_AT_RISK", bars={}).message == f"there are no bars of {BTC}"
    flat = a_portfolio(held={ETH: "0"})
    assert grade("VALUE_AT_RISK", portfolio=flat, bars={BTC: some_bars()}) == "pass"


# CORROBORATION

OKX = {"source": "okx", "trusted": True}
WIRE = {"source": "newswire", "trusted": False}
FORUM = {"source": "forum", "trusted": False}


@pytest.mark.parametrize(
    ("support", "message"),
    [
        ((OKX, WIRE), "corroborated"),
        ((OKX, WIRE, FORUM), "corroborated"),
        ((OKX,), "cites 1 independent sources, and 2 are needed"),
        ((OKX, OKX), "cites 1 independent sources, and 2 are needed"),
        ((WIRE, FORUM), "cites nothing but untrusted text"),
        ((), "cites 0 independent sources, and 2 are needed"),
    ],
)
def test_an_entry_rests_on_several_voices_and_one_that_is_trusted(support: tuple[object, ...], message: str) -> None:
    judged = found("CORROBORATION", support={BTC: support})
    assert judged.message == message
    assert judged.outcome == ("pass" if message == "corroborated" else "deny")


def test_support_for_another_symbol_is_none() -> None:
    assert grade("CORROBORATION", support={ETH: (OKX, WIRE)}) == "deny"


def test_a_policy_may_do_without_trust_and_may_ask_a_person() -> None:
    untrusting = a_policy(corroboration={"minimum_sources": 2, "trusted": False, "on_breach": "review"})
    assert grade("CORROBORATION", policy=untrusting, support={BTC: (WIRE, FORUM)}) == "pass"
    assert grade("CORROBORATION", policy=untrusting, support={}) == "review"


# SUPPORT

WEIGHED = (*signals("buy", "0.5"), *signals("buy", "0.3"), *signals("sell", "0.7"))


@pytest.mark.parametrize(
    ("given_signals", "side", "expected"),
    [
        (signals(), "buy", "pass"),
        (signals(), "sell", "deny"),
        (signals("sell"), "sell", "pass"),
        (signals("buy", "0.0001"), "buy", "pass"),
        ((), "buy", "deny"),
        (signals("buy", "0"), "buy", "deny"),
        (WEIGHED, "buy", "pass"),
        (WEIGHED, "sell", "deny"),
        ((*signals("buy"), *signals("sell")), "buy", "deny"),
        ((*signals("buy"), *signals("sell")), "sell", "deny"),
    ],
)
def test_an_entry_needs_signals_of_the_venue_that_outweigh_those_against_it(
    given_signals: object, side: str, expected: str
) -> None:
    entry = a_proposal(side=side, stop_price="95" if side == "buy" else "105")
    assert grade("SUPPORT", entry, venue_signals={BTC: given_signals}) == expected


def test_where_no_detector_looked_nobody_knows_and_nothing_is_entered() -> None:
    for known in ({}, {ETH: signals()}):
        judged = found("SUPPORT", venue_signals=known)
        assert (judged.outcome, judged.unknown) == ("deny", True)


CAUSES = [None, *get_args(Cause)]
MATTERS_OF_OPINION = [None, "entry", "thesis"]
STATE_IT = "state what causes it: stop, target, time, flatten, halve or protection"


def holding(quantity: str, *, side: str = "", stops: Mapping[str, str] | None = None, **plan: object) -> Facts:
    """A position of BTC with such a plan, at 99.5 to 100.5; only `side` is supported."""
    position = {"symbol": BTC, "quantity": quantity, "cost": Decimal(quantity) * 100} | plan
    portfolio = a_portfolio(held={BTC: quantity}, positions={BTC: position})
    speaking = {BTC: signals(side) if side else ()}
    quotes = {BTC: a_quote(bid="99.5", ask="100.5")}
    return some_facts(portfolio=portfolio, quotes=quotes, venue_signals=speaking, stops=stops or {})


@pytest.mark.parametrize("cause", CAUSES)
def test_an_entry_needs_support_whatever_it_says(cause: str | None) -> None:
    assert grade("SUPPORT", a_proposal(cause=cause), venue_signals={BTC: ()}) == "deny"


@pytest.mark.parametrize("cause", ["flatten", "halve"])
def test_an_exit_that_an_operator_or_a_loss_limit_asks_for_needs_no_support(cause: str) -> None:
    assert finding(judge(an_exit(cause=cause), holding("5")), "SUPPORT").outcome == "pass"


@pytest.mark.parametrize("cause", MATTERS_OF_OPINION)
def test_an_exit_by_thesis_needs_support_and_so_does_one_that_states_no_cause(cause: str | None) -> None:
    leave = an_exit(cause=cause)
    refused = finding(judge(leave, holding("5", stop_price="105")), "SUPPORT")
    assert refused.outcome == "deny"
    assert (STATE_IT in refused.message) is (cause != "thesis")
    unknown = finding(judge(leave, holding("5").model_copy(update={"venue_signals": {}})), "SUPPORT")
    assert (unknown.outcome, unknown.unknown, STATE_IT in unknown.message) == ("deny", True, cause != "thesis")
    assert grade("SUPPORT", leave, held=LONG, venue_signals={BTC: signals("sell")}) == "pass"


@pytest.mark.parametrize(
    ("cause", "plan", "trailed", "outcome"),
    [
        ("stop", {"stop_price": "99.5"}, None, "pass"),  # the bid is at it
        ("stop", {"stop_price": "99.4"}, None, "deny"),
        ("stop", {"stop_price": "98"}, "99.5", "pass"),  # it trails
        ("stop", {"stop_price": "98"}, "99.4", "deny"),
        ("stop", {}, None, "deny"),
        ("stop", {"target_price": "99"}, None, "deny"),
        ("target", {"target_price": "99.5"}, None, "pass"),
        ("target", {"target_price": "99.6"}, None, "deny"),
        ("target", {}, None, "deny"),
        ("target", {"stop_price": "100"}, None, "deny"),
        ("time", {"opened_at": NOW}, None, "pass"),
        ("time", {}, None, "deny"),
        ("protection", {"stop_price": "105"}, None, "deny"),  # it is no stop that waits
    ],
)
def test_what_an_exit_says_must_be_so_where_that_can_be_seen(
    cause: str, plan: dict[str, object], trailed: str | None, outcome: str
) -> None:
    stops = {BTC: trailed} if trailed else {}
    assert finding(judge(an_exit(cause=cause), holding("5", stops=stops, **plan)), "SUPPORT").outcome == outcome
    supported = holding("5", side="sell", stops=stops, **plan)
    assert finding(judge(an_exit(cause=cause), supported), "SUPPORT").outcome == "pass"


@pytest.mark.parametrize(
    ("cause", "plan", "outcome"),
    [
        ("stop", {"stop_price": "100.5"}, "pass"),
        ("stop", {"stop_price": "100.6"}, "deny"),
        ("target", {"target_price": "100.5"}, "pass"),
        ("target", {"target_price": "100.4"}, "deny"),
    ],
)
def test_a_short_is_bought_back_where_the_ask_meets_its_plan(cause: str, plan: dict[str, object], outcome: str) -> None:
    assert finding(judge(an_exit(side="buy", cause=cause), holding("-5", **plan)), "SUPPORT").outcome == outcome


@pytest.mark.parametrize(
    ("quantity", "limit", "target", "outcome"),
    [
        ("5", "110", "110", "pass"),
        ("5", "109.5", "110", "deny"),
        ("5", "98", "99.5", "pass"),  # the bid is better than its limit
        ("-5", "90", "90", "pass"),
        ("-5", "90.5", "90", "deny"),
        ("-5", "102", "100.5", "pass"),
    ],
)
def test_an_exit_may_wait_at_its_target(quantity: str, limit: str, target: str, outcome: str) -> None:
    side = "buy" if quantity[0] == "-" else "sell"
    leave = an_exit(side=side, type="limit", limit_price=limit, cause="target")
    assert finding(judge(leave, holding(quantity, target_price=target)), "SUPPORT").outcome == outcome


@pytest.mark.parametrize("cause", CAUSES)
def test_a_stop_that_the_venue_is_to_hold_needs_no_support_but_by_thesis(cause: str | None) -> None:
    stop = a_stop(cause=cause)
    assert finding(judge(stop, holding("5")), "SUPPORT").outcome == ("deny" if cause == "thesis" else "pass")


def test_a_claim_that_is_not_so_is_named_with_its_numbers() -> None:
    claims = {
        "stop": "the exit says that it is at its stop, and 99.5 has not met 95",
        "target": "the exit says that it is at its target, and the position has none",
        "time": "the exit says that its time is up, and nobody knows since when the position is held",
        "protection": "the exit says that it is protection, and is no stop that waits",
        None: "the exit does not say what causes it",
    }
    for cause, words in claims.items():
        refused = finding(judge(an_exit(cause=cause), holding("5", stop_price="95")), "SUPPORT")
        assert refused.message == f"venue data supports no sell; {words}: {STATE_IT}"


def test_an_exit_by_thesis_is_let_through_with_signals_that_say_the_same() -> None:
    leave = an_exit(cause="thesis")
    assert judge(leave, some_facts(held=LONG, venue_signals={BTC: signals("sell")})).outcome == "allow"
    refused = judge(leave, some_facts(held=LONG, venue_signals={BTC: signals("buy")}))
    assert refused.reasons == ("SUPPORT: venue data supports no sell",)


def test_support_is_in_every_policy_and_nobody_can_let_it_stand() -> None:
    proposal, known = a_proposal(), some_facts(venue_signals={BTC: ()})
    consent = consent_to(proposal, "SUPPORT", facts=known)
    for policy in (a_policy(), *map(profile, PROFILES)):
        refused = finding(judge(proposal, known.model_copy(update={"consents": (consent,)}), policy=policy), "SUPPORT")
        assert refused.outcome == "deny"
    (check,) = [check for check in CHECKS if check.code == "SUPPORT"]
    assert (check.section, check.waivable) == (None, False)


def test_facts_of_before_there_were_venue_signals_are_written_as_they_were() -> None:
    assert "venue_signals" not in canonical(some_facts(venue_signals={}))


# CONVICTION


@pytest.mark.parametrize(("conviction", "outcome"), [("0.54", "deny"), ("0.55", "pass")])
def test_an_entry_below_the_minimum_conviction_is_refused(conviction: str, outcome: str) -> None:
    assert grade("CONVICTION", a_proposal(conviction=conviction)) == outcome


# RECONCILIATION


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        (NOW, "pass"),
        (NOW - timedelta(seconds=600), "pass"),
        (NOW - timedelta(seconds=600, microseconds=1), "deny"),
        (NOW + timedelta(microseconds=1), "deny"),
        (None, "deny"),
    ],
)
def test_the_books_were_lately_reconciled(at: object, outcome: str) -> None:
    assert grade("RECONCILIATION", reconciled_at=at) == outcome


# CLOCK_SKEW


@pytest.mark.parametrize(
    ("skew", "entry", "exit_"),
    [
        ("0", "pass", "pass"),
        ("1000", "pass", "pass"),
        ("-1000", "pass", "pass"),
        ("1000.001", "deny", "deny"),
        ("-1000.001", "deny", "deny"),
        (None, "deny", "pass"),
    ],
)
def test_the_clocks_agree_and_not_knowing_keeps_nobody_in(skew: str | None, entry: str, exit_: str) -> None:
    assert grade("CLOCK_SKEW", held=LONG, clock_skew_ms=skew) == entry
    assert grade("CLOCK_SKEW", an_exit(), held=LONG, clock_skew_ms=skew) == exit_


def test_a_wrong_clock_says_which_way() -> None:
    assert found("CLOCK_SKEW", clock_skew_ms="2000").message.startswith("our clock is 2000 ms ahead of the venue's")
    assert found("CLOCK_SKEW", clock_skew_ms="-2000").message.startswith("our clock is 2000 ms behind the venue's")
    exact = a_policy(clock={"max_skew_ms": 0})
    assert found("CLOCK_SKEW", policy=exact, clock_skew_ms="0.5").message.startswith("our clock is 0.5 ms ahead of")


# AGENT_BUDGET


def used(**over: object) -> dict[str, object]:
    return {"usage": {"usd": "0", "tokens": 0, "tool_calls": 0, "refusals_in_a_row": 0} | over}


@pytest.mark.parametrize(
    ("over", "outcome", "unit"),
    [
        ({"usd": "3.99"}, "pass", "USD"),
        ({"usd": "4"}, "warn", "USD"),
        ({"usd": "5"}, "warn", "USD"),
        ({"usd": "5.01"}, "deny", "USD"),
        ({"tokens": 100_000}, "warn", "tokens"),
        ({"tokens": 100_001}, "deny", "tokens"),
        ({"tool_calls": 1_000}, "warn", "tool calls"),
        ({"tool_calls": 1_001}, "deny", "tool calls"),
        ({"refusals_in_a_row": 7}, "pass", "refusals in a row"),
        ({"refusals_in_a_row": 9}, "warn", "refusals in a row"),
        ({"refusals_in_a_row": 10}, "deny", "refusals in a row"),
        ({"usd": "2", "tokens": 50_000, "tool_calls": 300}, "pass", "tokens"),
        ({"usd": "6", "tokens": 90_000}, "deny", "USD"),
        ({}, "pass", "USD"),
    ],
)
def test_entries_stop_when_the_tightest_budget_is_used(over: dict[str, object], outcome: str, unit: str) -> None:
    judged = found("AGENT_BUDGET", **used(**over))
    assert (judged.outcome, judged.unit) == (outcome, unit)


@pytest.mark.parametrize(("tokens", "outcome", "unit"), [(0, "pass", "USD"), (1, "deny", "tokens")])
def test_a_budget_of_nothing_allows_no_use(tokens: int, outcome: str, unit: str) -> None:
    policy = a_policy(agent_budget={"usd": 5, "tokens": 0})
    judged = found("AGENT_BUDGET", policy=policy, **used(tokens=tokens, usd="4" if tokens else "1"))
    assert (judged.outcome, judged.unit) == (outcome, unit)


def test_what_was_not_counted_is_not_free() -> None:
    lenient = a_policy(agent_budget={"usd": 5, "on_breach": "warn"})
    assert grade("AGENT_BUDGET", policy=lenient, **used(usd=None)) == "deny"
    assert grade("AGENT_BUDGET", policy=lenient, usage=None) == "deny"
    assert grade("AGENT_BUDGET", policy=lenient, **used(usd="6")) == "warn"


def test_an_unknown_price_matters_only_where_spend_is_limited() -> None:
    assert grade("AGENT_BUDGET", policy=a_policy(agent_budget={"tokens": 10}), **used(usd=None)) == "pass"


# All of them

ENTRY_ONLY = {
    "AGENT_BUDGET": "agent_budget",
    "CASH": "cash",
    "CONVICTION": "conviction",
    "COOLDOWN": "cooldown",
    "CORRELATION": "correlation",
    "CORROBORATION": "corroboration",
    "DAILY_LOSS": "daily_loss",
    "DRAWDOWN": "drawdown",
    "EXPOSURE": "exposure",
    "LEVERAGE": "leverage",
    "NET_EXPOSURE": "net_exposure",
    "OPEN_POSITIONS": "open_positions",
    "OPEN_RISK": "open_risk",
    "POSITION": "position",
    "RECONCILIATION": "reconciliation",
    "RISK_PER_TRADE": "risk_per_trade",
    "VALUE_AT_RISK": "value_at_risk",
    "WEEKLY_LOSS": "weekly_loss",
}
"""With their sections."""


@pytest.mark.parametrize(("code", "section"), [*ENTRY_ONLY.items(), ("CLOCK_SKEW", "clock")])
def test_without_its_section_a_check_refuses_entries(code: str, section: str) -> None:
    refused = found(code, policy=a_policy(**{section: None}))
    assert (refused.outcome, refused.message) == ("deny", "the policy sets no limit here")


def the_worst_world(**over: object) -> Facts:
    """Every limit on the account broken and everything about it unknown, with 90 BTC to sell."""
    given: dict[str, object] = {
        "held": {BTC: "90", ETH: "-90"},
        "working": [working(client_order_id="b", symbol=SWAP, side="sell", stop_price=None, remaining="500")],
        "equity_marks": {"day_start": "20000", "week_start": None, "high": "90000"},
        "closed": [closed("-1", ago_s=1)] * 9,
        "bars": {},
        "usage": None,
        "reconciled_at": None,
        "clock_skew_ms": None,
        "support": {},
    }
    return some_facts(**(given | over))


def test_a_reducing_order_passes_by_every_check_on_the_account() -> None:
    verdict = judge(an_exit(quantity="90", conviction="0"), the_worst_world())
    for code in ENTRY_ONLY:
        judged = finding(verdict, code)
        assert (judged.outcome, judged.message) == ("pass", "passed by: the order only reduces")
    assert finding(verdict, "CLOCK_SKEW").message == "the clock skew is unknown, and the order only reduces"


def test_the_same_order_as_an_entry_is_refused_by_every_check_that_the_world_breaks() -> None:
    sale = an_exit(quantity="90", conviction="0", reduce_only=False)
    verdict = judge(sale, the_worst_world())
    refused = {f.code for f in verdict.findings if f.outcome == "deny"}
    assert refused >= (set(ENTRY_ONLY) | {"CLOCK_SKEW"}) - {"CASH", "OPEN_POSITIONS"}


WAIVABLE = {
    "CONVICTION",
    "CORRELATION",
    "CORROBORATION",
    "EXPOSURE",
    "LEVERAGE",
    "NET_EXPOSURE",
    "OPEN_POSITIONS",
    "OPEN_RISK",
    "POSITION",
    "RISK_PER_TRADE",
    "VALUE_AT_RISK",
}


def test_limits_on_size_and_conviction_may_be_waived_and_those_on_losses_and_knowledge_never() -> None:
    ours = {check.code for check in CHECKS if check.code in ENTRY_ONLY or check.code == "CLOCK_SKEW"}
    assert ours == {*ENTRY_ONLY, "CLOCK_SKEW"}
    assert {check.code for check in CHECKS if check.waivable and check.code in ours} == WAIVABLE


@pytest.mark.parametrize(
    ("code", "world"),
    [
        ("NET_EXPOSURE", {"held": {ETH: "50"}}),
        ("LEVERAGE", {"held": {SWAP: "50"}}),
        ("CORRELATION", {"held": {SWAP: "50"}}),
        ("OPEN_RISK", {"held": {ETH: "60"}}),
        ("CORROBORATION", {"support": {}}),
        ("WEEKLY_LOSS", equity("9000")),
        ("DRAWDOWN", equity("8900")),
        ("COOLDOWN", {"closed": [closed("-1", ago_s=1)]}),
        ("RECONCILIATION", {"reconciled_at": NOW - DAY}),
        ("CLOCK_SKEW", {"clock_skew_ms": "5000"}),
        ("AGENT_BUDGET", used(usd="6")),
    ],
)
def test_a_persons_leave_lets_only_a_waivable_refusal_stand(code: str, world: dict[str, object]) -> None:
    assert grade(code, **world) == "deny"
    consents = (consent_to(a_proposal(), code, facts=some_facts(**world), policy=a_policy()),)
    assert grade(code, consents=consents, **world) == ("warn" if code in WAIVABLE else "deny")
