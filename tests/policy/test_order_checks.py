"""What a single order is and the market that it meets: every check on both sides of every limit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from builders.policy import (
    BTC,
    ETH,
    NOW,
    POLICY,
    SWAP,
    a_policy,
    a_portfolio,
    a_proposal,
    a_quote,
    an_exit,
    an_instrument,
    consent_to,
    finding,
    judge,
    some_bars,
    some_facts,
    working,
)
from builders.work import calls
from domain.decision import Proposal
from domain.instrument import OptionTerms
from domain.order import OrderState
from domain.portfolio import Position
from graphs.session.profiles import PROFILES, profile
from policy import CHECKS, Facts, Policy
from policy.case import Case

LONG = {BTC: "5"}
CALL = "BTC100C/USDT"


def grade(code: str, proposal: Proposal | None = None, facts: Facts | None = None, policy: Policy | None = None) -> str:
    return finding(judge(proposal, facts, policy=policy or POLICY), code).outcome


# EXIT_SIZE


@pytest.mark.parametrize(
    ("sizes", "over", "outcome"),
    [
        ({}, {}, "pass"),  # limits that nobody stated
        ({"min_notional": "465.5"}, {}, "pass"),  # 5 at the stop of 95 and its margin
        ({"min_notional": "465.51"}, {}, "deny"),
        ({"min_notional": "465.5", "taker_fee": "0.001"}, {}, "deny"),  # 4.995, of which 4.75 can be sold
        ({"min_notional": "442.225", "taker_fee": "0.001"}, {}, "pass"),
        ({"market_min_quantity": "5.25"}, {}, "deny"),
        ({"min_notional": "489.99"}, {"stop_price": None}, "pass"),  # 5 at the middle of the market
        ({"min_notional": "490.01"}, {"stop_price": None}, "deny"),
        ({"min_notional": "900", "market_without_minimum": True}, {}, "deny"),  # no stop could be held
    ],
)
def test_an_entry_that_could_not_be_exited_is_refused(
    sizes: dict[str, object], over: dict[str, object], outcome: str
) -> None:
    facts = some_facts(instruments={BTC: an_instrument(**sizes)})
    assert grade("EXIT_SIZE", a_proposal(quantity="5", **over), facts) == outcome


def test_what_is_held_already_is_exited_together_with_what_is_bought() -> None:
    facts = some_facts(held={BTC: "5"}, instruments={BTC: an_instrument(min_notional="900")})
    assert grade("EXIT_SIZE", a_proposal(quantity="5"), facts) == "pass"
    assert grade("EXIT_SIZE", a_proposal(quantity="4.5"), facts) == "deny"


def test_an_exit_is_never_too_small_to_be_exited() -> None:
    facts = some_facts(held=LONG, instruments={BTC: an_instrument(min_notional="900")})
    found = finding(judge(an_exit(), facts), "EXIT_SIZE")
    assert (found.outcome, found.message) == ("pass", "passed by: the order only reduces")


def test_a_short_is_measured_at_its_target() -> None:
    facts = some_facts(instruments={SWAP: an_instrument(SWAP, min_notional="441", taker_fee="0.01")})
    short = {"symbol": SWAP, "side": "sell", "quantity": "5", "stop_price": "105"}
    assert grade("EXIT_SIZE", a_proposal(**short, target_price="90"), facts) == "pass"
    assert grade("EXIT_SIZE", a_proposal(**short, target_price="89.5"), facts) == "deny"


def test_the_numbers_of_binance_spot() -> None:
    """Of 6 USDT in BTC so little is left after the fee that no stop and no exit would be taken."""
    binance = an_instrument(lot_size="0.00001", tick_size="0.01", min_notional="5", taker_fee="0.001")
    quote = a_quote(bid="59990", ask="60000")
    facts = some_facts(instruments={BTC: binance}, quotes={BTC: quote})
    entry = a_proposal(quantity="0.00009", limit_price="60000", stop_price="58800", target_price="63000")
    found = finding(judge(entry, facts), "EXIT_SIZE")
    assert found.message == (
        "what is bought could not be exited: of 0.00008991 after the fee 0.00008 can be sold, at 57624: "
        "the notional 4.60992 is below the minimum 5"
    )


# WELL_FORMED, on the sizes of numbers


def well_formed(**over: object) -> tuple[str, str]:
    """The finding on a proposal whose fields nobody validated, from the check alone."""
    (check,) = [check for check in CHECKS if check.code == "WELL_FORMED"]
    found = check(Case(a_proposal().model_copy(update=over), some_facts(), policy=POLICY))
    return found.outcome, found.message


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        ("9E+30", "is no multiple of the lot"),
        ("1E+31", "the quantity is beyond 1E-30 or 1E+30"),
        ("1E-30", "is no multiple of the lot"),
        ("9E-31", "the quantity is beyond 1E-30 or 1E+30"),
    ],
)
def test_a_quantity_of_a_size_that_nothing_has_is_refused(quantity: str, message: str) -> None:
    lots = some_facts(instruments={BTC: an_instrument(lot_size="7")})
    found = finding(judge(a_proposal(quantity=quantity), lots), "WELL_FORMED")
    assert found.outcome == "deny"
    assert message in found.message


@pytest.mark.parametrize("number", ["1E+999999", "1E-999999", "1E-400"])
@pytest.mark.parametrize("field", ["quantity", "limit_price", "stop_price"])
def test_an_absurd_exponent_is_refused_before_anything_is_computed(field: str, number: str) -> None:
    found: list[tuple[str, str]] = []
    assert calls(lambda: found.append(well_formed(**{field: Decimal(number)}))) < 20_000
    assert found == [("deny", f"the {field} is beyond 1E-30 or 1E+30")]


def test_every_check_answers_whatever_came_in_unvalidated() -> None:
    fields: tuple[dict[str, object], ...] = (
        {"quantity": Decimal("-Infinity")},
        {"limit_price": Decimal("NaN")},
        {"quantity": Decimal("1E+40"), "limit_price": Decimal("1E+70")},
        {"side": ["buy"], "symbol": ["BTC"], "agent": {}},
        {"stop_price": "95", "reference_price": "100"},
    )
    for over in fields:
        case = Case(a_proposal().model_copy(update=over), some_facts(), policy=POLICY)
        assert "deny" in {check(case).outcome for check in CHECKS}


def test_a_check_whose_numbers_nothing_can_hold_refuses() -> None:
    over = {"quantity": Decimal("1E+40"), "limit_price": Decimal("1E+70")}
    found = finding(judge(a_proposal().model_copy(update=over)), "MAX_NOTIONAL")
    assert (found.outcome, found.message, found.observed) == ("deny", "the numbers are out of any range", None)


# SYMBOL


def test_what_the_venue_does_not_trade_at_the_moment_is_neither_entered_nor_left() -> None:
    facts = some_facts(suspended=[BTC], held=LONG)
    assert f"SYMBOL: the venue does not trade {BTC} at the moment" in judge(facts=facts).reasons
    assert grade("SYMBOL", an_exit(), facts) == "deny"
    assert grade("SYMBOL", facts=some_facts(suspended=[ETH])) == "pass"


# MAX_QUANTITY


@pytest.mark.parametrize(("quantity", "outcome"), [("7.75", "pass"), ("8", "warn"), ("10", "warn"), ("10.25", "deny")])
def test_an_entry_is_at_most_its_share_of_a_bars_volume(quantity: str, outcome: str) -> None:
    assert grade("MAX_QUANTITY", a_proposal(quantity=quantity)) == outcome


@pytest.mark.parametrize(("quantity", "outcome"), [("3", "pass"), ("3.25", "warn"), ("4", "warn"), ("4.25", "deny")])
def test_every_order_is_held_to_its_symbols_maximum(quantity: str, outcome: str) -> None:
    policy = a_policy(max_quantity={"share_of_bar_volume": "0.1", "per_symbol": {BTC: "4"}})
    facts = some_facts(held={BTC: "20"})
    assert grade("MAX_QUANTITY", a_proposal(quantity=quantity), facts, policy) == outcome
    assert grade("MAX_QUANTITY", an_exit(quantity=quantity), facts, policy) == outcome


def test_the_smaller_of_the_symbols_maximum_and_the_share_of_volume_binds() -> None:
    policy = a_policy(max_quantity={"share_of_bar_volume": "0.1", "per_symbol": {BTC: "20"}})
    found = finding(judge(policy=policy), "MAX_QUANTITY")
    assert (found.observed, found.limit, found.unit) == (5, 10, "BTC")


def test_leaving_does_not_wait_for_volume() -> None:
    assert grade("MAX_QUANTITY", an_exit(quantity="20"), some_facts(held={BTC: "20"}, bars={})) == "pass"


def test_an_entry_that_no_maximum_bounds_is_refused_and_nobody_can_let_it_stand() -> None:
    policy = a_policy(max_quantity={"per_symbol": {ETH: "4"}})
    facts = some_facts(consents=[consent_to(a_proposal(), "MAX_QUANTITY")], held=LONG)
    found = finding(judge(facts=facts, policy=policy), "MAX_QUANTITY")
    assert (found.outcome, found.message) == ("deny", f"the policy sets no maximum quantity for {BTC}")
    assert grade("MAX_QUANTITY", an_exit(), facts, policy) == "pass"


@pytest.mark.parametrize("bars", [{}, {BTC: some_bars(average_volume="0")}])
def test_unknown_or_no_volume_refuses_entries(bars: dict[str, object]) -> None:
    assert grade("MAX_QUANTITY", facts=some_facts(bars=bars)) == "deny"


# PRICE_COLLAR


@pytest.mark.parametrize(
    ("stop_price", "outcome"),
    [("84.5", "pass"), ("84", "warn"), ("80", "warn"), ("79.5", "deny"), ("120", "warn"), ("120.5", "deny")],
)
def test_an_entrys_stop_lies_within_its_own_band(stop_price: str, outcome: str) -> None:
    assert grade("PRICE_COLLAR", a_proposal(stop_price=stop_price)) == outcome


def test_the_worse_of_price_and_stop_is_reported() -> None:
    both = finding(judge(a_proposal(limit_price="104", stop_price="79.5")), "PRICE_COLLAR")
    assert (both.outcome, both.observed, both.unit) == ("deny", Decimal("20.5"), "USDT from the mid price to the stop")
    price = finding(judge(a_proposal(limit_price="105.5", stop_price="79.5")), "PRICE_COLLAR")
    assert (price.observed, price.unit) == (Decimal("5.5"), "USDT from the mid price")


def test_an_entry_without_a_stop_has_its_price_in_the_collar_alone() -> None:
    assert grade("PRICE_COLLAR", a_proposal(stop_price=None)) == "pass"


def test_the_stop_of_an_exit_does_not_hold_it_back() -> None:
    assert grade("PRICE_COLLAR", an_exit(stop_price="10"), some_facts(held=LONG)) == "pass"
    assert grade("PRICE_COLLAR", an_exit(stop_price="10")) == "deny"


# REWARD_RISK

COSTLY = {BTC: an_instrument(taker_fee="0.01"), SWAP: an_instrument(SWAP, taker_fee="0.01")}
"""One per cent each way."""


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        # Bought at the limit of 100, with a spread of 2: 7 are at risk, 9 away is a reward of 7.
        ({"target_price": "109"}, "pass"),
        ({"target_price": "108.5"}, "deny"),
        # At the market's 101, or with a limit beyond it: 8 at risk, 10 away a reward of 8.
        ({"type": "market", "limit_price": None, "target_price": "111"}, "pass"),
        ({"type": "market", "limit_price": None, "target_price": "110.5"}, "deny"),
        ({"limit_price": "103", "target_price": "111"}, "pass"),
        ({"limit_price": "103", "target_price": "110.5"}, "deny"),
        # A short at the bid of 99, or at its limit above: 8 at risk from 99 to 105, 10 away a reward of 8.
        ({"symbol": SWAP, "side": "sell", "limit_price": "98", "stop_price": "105", "target_price": "89"}, "pass"),
        ({"symbol": SWAP, "side": "sell", "limit_price": "98", "stop_price": "105", "target_price": "89.5"}, "deny"),
        ({"symbol": SWAP, "side": "sell", "limit_price": "100", "stop_price": "105", "target_price": "91"}, "pass"),
        ({"symbol": SWAP, "side": "sell", "limit_price": "100", "stop_price": "105", "target_price": "91.5"}, "deny"),
    ],
)
def test_an_entry_must_gain_what_it_risks_once_the_spread_is_paid(over: dict[str, object], outcome: str) -> None:
    assert grade("REWARD_RISK", a_proposal(**over)) == outcome


@pytest.mark.parametrize(("target", "outcome"), [("113.5", "pass"), ("113", "deny")])
def test_the_fee_is_counted_both_ways_each_at_its_own_price(target: str, outcome: str) -> None:
    """In at 100 and out at 95 costs 1.95 and the spread of 2: 8.95 are at risk. Out at 113 a reward of 8.87 is left."""
    facts = some_facts(instruments=COSTLY)
    assert grade("REWARD_RISK", a_proposal(target_price=target), facts) == outcome


@pytest.mark.parametrize(("slippage_bps", "outcome"), [(0, "pass"), (5, "deny")])
def test_the_policys_allowance_for_slippage_is_counted_both_ways(slippage_bps: int, outcome: str) -> None:
    policy = a_policy(reward_risk={"minimum": 1, "slippage_bps": slippage_bps})
    assert grade("REWARD_RISK", a_proposal(target_price="109"), policy=policy) == outcome


@pytest.mark.parametrize(("minimum", "outcome"), [("0", "pass"), ("1.85", "pass"), ("1.86", "deny")])
def test_the_floor_is_the_policys(minimum: str, outcome: str) -> None:
    """A reward of 13 against a risk of 7."""
    assert grade("REWARD_RISK", policy=a_policy(reward_risk={"minimum": minimum, "slippage_bps": 0})) == outcome


def test_a_reward_that_does_not_cover_the_risk_is_refused_with_its_numbers() -> None:
    found = finding(judge(a_proposal(target_price="105")), "REWARD_RISK")
    assert (found.observed, found.limit, found.unit) == (3, 7, "USDT a BTC")
    assert found.message == "after costs the reward is 3 USDT a BTC, which is less than 1 times the risk of 7"


def test_a_market_that_ran_away_since_the_decision_took_the_reward_along() -> None:
    entry = a_proposal(limit_price="103", target_price="111")
    assert grade("REWARD_RISK", entry) == "pass"
    assert grade("REWARD_RISK", entry, some_facts(quotes={BTC: a_quote(bid="100", ask="102")})) == "deny"


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"target_price": None}, "the entry names no target_price, so nobody knows what it could gain"),
        (
            {"symbol": SWAP, "side": "sell", "stop_price": None},
            "a short position without a stop can lose any amount",
        ),
    ],
)
def test_a_reward_or_a_risk_that_nobody_knows_is_refused(over: dict[str, object], message: str) -> None:
    found = finding(judge(a_proposal(**over)), "REWARD_RISK")
    assert (found.outcome, found.unknown, found.message) == ("deny", True, message)


def test_without_a_stop_a_buy_risks_all_of_its_price() -> None:
    found = finding(judge(a_proposal(stop_price=None)), "REWARD_RISK")
    assert (found.outcome, found.observed, found.limit) == ("deny", 13, 102)


def test_a_person_may_let_a_small_reward_stand_and_an_exit_needs_none() -> None:
    entry = a_proposal(target_price="105")
    assert grade("REWARD_RISK", entry, some_facts(consents=[consent_to(entry, "REWARD_RISK")])) == "warn"
    assert grade("REWARD_RISK", an_exit(), some_facts(held=LONG)) == "pass"


# ORDER_TYPE, of entries at the market


BOUNDED = a_policy(order_type={"types": ["market", "limit", "stop"], "times_in_force": ["GTC", "IOC"]})
AT_MARKET = {"type": "market", "limit_price": None}


@pytest.mark.parametrize(
    ("proposal", "outcome"),
    [
        (a_proposal(**AT_MARKET), "deny"),
        (a_proposal(**AT_MARKET, side="sell", symbol=SWAP, stop_price="105"), "deny"),
        (an_exit(quantity="5.25"), "deny"),  # more than is held: by the facts it is no exit
        (a_proposal(), "pass"),
        (a_proposal(time_in_force="IOC"), "pass"),
        (an_exit(), "pass"),
    ],
)
def test_an_order_that_may_add_to_a_position_says_how_far_its_price_may_go(proposal: Proposal, outcome: str) -> None:
    assert grade("ORDER_TYPE", proposal, some_facts(held=LONG), BOUNDED) == outcome
    assert grade("ORDER_TYPE", proposal, some_facts(held=LONG)) == "pass"  # a policy that allows market entries


def test_whoever_proposes_a_market_entry_reads_what_to_propose() -> None:
    found = finding(judge(a_proposal(**AT_MARKET), policy=BOUNDED), "ORDER_TYPE")
    assert found.message == (
        "a market order that may add to a position can fill at any price: propose a limit order, IOC, whose "
        "limit_price is the furthest that it may fill at"
    )
    assert grade("ORDER_TYPE", a_proposal(time_in_force="IOC"), policy=BOUNDED) == "pass"


@pytest.mark.parametrize("name", PROFILES)
def test_no_shipped_profile_takes_an_entry_without_a_bound(name: str) -> None:
    assert grade("ORDER_TYPE", a_proposal(**AT_MARKET), policy=profile(name)) == "deny"
    assert grade("ORDER_TYPE", an_exit(), some_facts(held=LONG), profile(name)) == "pass"


# MARKET_DATA


@pytest.mark.parametrize(
    ("last_close", "outcome"), [("110", "pass"), ("110.5", "pass"), ("112", "deny"), ("91", "pass"), ("90", "deny")]
)
def test_an_entry_is_refused_when_the_market_jumped_from_the_last_close(last_close: str, outcome: str) -> None:
    facts = some_facts(bars={BTC: some_bars(last_close=last_close)}, held=LONG)
    assert grade("MARKET_DATA", facts=facts) == outcome
    assert grade("MARKET_DATA", an_exit(), facts) == "pass"


def test_a_jump_of_exactly_the_limit_is_no_jump_and_a_little_more_is() -> None:
    policy = a_policy(market_data={"max_age_s": 900, "max_jump_bps": 2_500})
    for close, outcome in (("80", "pass"), ("79.99", "deny")):
        assert grade("MARKET_DATA", facts=some_facts(bars={BTC: some_bars(last_close=close)}), policy=policy) == outcome


@pytest.mark.parametrize(
    ("before", "outcome"), [(None, "pass"), ("110", "pass"), ("111.5", "deny"), ("91", "pass"), ("90", "deny")]
)
def test_an_entry_is_refused_when_the_bar_that_made_the_quote_jumped(before: str | None, outcome: str) -> None:
    """The last close is the quote itself, as it always is on recorded candles."""
    facts = some_facts(bars={BTC: some_bars(last_close="100", previous_close=before)}, held=LONG)
    assert grade("MARKET_DATA", facts=facts) == outcome
    assert grade("MARKET_DATA", an_exit(), facts) == "pass"


def test_a_jump_within_the_last_bar_is_named_with_its_numbers() -> None:
    facts = some_facts(bars={BTC: some_bars(previous_close="80")})
    found = finding(judge(facts=facts), "MARKET_DATA")
    assert found.message == "the market is 20 from the close before the last, and 8 is allowed"
    assert (found.observed, found.limit, found.unit) == (20, 8, "USDT")


def test_without_bars_nobody_knows_whether_the_market_jumped() -> None:
    facts = some_facts(bars={}, held=LONG)
    assert f"MARKET_DATA: there are no bars of {BTC}" in judge(facts=facts).reasons
    assert grade("MARKET_DATA", an_exit(), facts) == "pass"


@pytest.mark.parametrize(
    ("ages", "age_s", "outcome"),
    [
        ({"swap": 60}, 900, "pass"),
        ({"swap": 60, "spot": 30}, 30, "pass"),
        ({"swap": 60, "spot": 30}, 31, "deny"),
        ({"spot": 2_000}, 2_000, "pass"),
        ({"spot": 2_000}, 2_001, "deny"),
        ({"crypto": 20}, 20, "pass"),
        ({"crypto": 20}, 21, "deny"),
        ({"spot": 2_000, "crypto": 20}, 21, "deny"),
        ({"spot": 20, "crypto": 2_000}, 21, "deny"),
    ],
)
def test_kinds_and_asset_classes_may_have_an_age_of_their_own(ages: dict[str, int], age_s: int, outcome: str) -> None:
    policy = a_policy(market_data={"max_age_s": 900, "max_age_s_of": ages, "max_jump_bps": 1_000})
    facts = some_facts(quotes={BTC: a_quote(at=NOW - timedelta(seconds=age_s))})
    assert grade("MARKET_DATA", facts=facts, policy=policy) == outcome


# DRIFT


@pytest.mark.parametrize(
    ("side", "reference_price", "outcome"),
    [
        ("buy", "100", "pass"),
        ("buy", "125", "pass"),
        ("buy", "83.34", "pass"),
        ("buy", "83.33", "warn"),
        ("buy", "80", "warn"),
        ("buy", "79.99", "deny"),
        ("buy", None, "deny"),
        ("sell", "100", "pass"),
        ("sell", "80", "pass"),
        ("sell", "119", "pass"),
        ("sell", "119.1", "warn"),
        ("sell", "125", "warn"),
        ("sell", "125.01", "deny"),
        ("sell", None, "deny"),
    ],
)
def test_a_market_that_moved_against_an_entry_refuses_it(side: str, reference_price: str | None, outcome: str) -> None:
    policy = a_policy(drift={"maximum_bps": 2_500 if side == "buy" else 2_000})
    assert grade("DRIFT", a_proposal(side=side, reference_price=reference_price), policy=policy) == outcome


def test_a_policy_may_allow_no_drift_at_all() -> None:
    policy = a_policy(drift={"maximum_bps": 0})
    assert grade("DRIFT", a_proposal(reference_price="100"), policy=policy) == "pass"
    assert grade("DRIFT", a_proposal(reference_price="99.99"), policy=policy) == "deny"


# SPREAD


@pytest.mark.parametrize(
    ("bid", "ask", "outcome"),
    [
        ("98.85", "101.15", "pass"),
        ("98.8", "101.2", "warn"),
        ("98.5", "101.5", "warn"),
        ("98.49", "101.51", "deny"),
        ("100", "100", "pass"),
    ],
)
def test_a_wide_market_refuses_entries(bid: str, ask: str, outcome: str) -> None:
    assert grade("SPREAD", facts=some_facts(quotes={BTC: a_quote(bid=bid, ask=ask)})) == outcome


# DEPTH


@pytest.mark.parametrize(
    ("side", "sizes", "outcome"),
    [
        ("buy", ("0", "12.51"), "pass"),
        ("buy", ("0", "12.5"), "warn"),
        ("buy", ("0", "10"), "warn"),
        ("buy", ("99", "9.99"), "deny"),
        ("buy", ("99", "0"), "deny"),
        ("buy", ("99", None), "deny"),
        ("sell", ("12.51", "0"), "pass"),
        ("sell", ("10", "0"), "warn"),
        ("sell", ("9.99", "99"), "deny"),
        ("sell", (None, "99"), "deny"),
    ],
)
def test_an_entry_takes_at_most_its_share_of_the_touch_it_meets(
    side: str, sizes: tuple[str | None, str | None], outcome: str
) -> None:
    quote = a_quote(bid_size=sizes[0], ask_size=sizes[1])
    assert grade("DEPTH", a_proposal(side=side), some_facts(quotes={BTC: quote})) == outcome


def test_a_policy_may_let_an_entry_eat_into_the_book() -> None:
    policy = a_policy(depth={"share_of_touch": "1.5"})
    facts = some_facts(quotes={BTC: a_quote(ask_size="4")})
    assert grade("DEPTH", a_proposal(quantity="6"), facts, policy) == "warn"
    assert grade("DEPTH", a_proposal(quantity="6.25"), facts, policy) == "deny"


@pytest.mark.parametrize(
    ("allowed", "mode", "outcome"),
    [
        ([], "paper", "deny"),
        ([], "live", "deny"),
        (["paper"], "paper", "pass"),
        (["paper"], "live", "deny"),
        (["paper", "live"], "live", "pass"),
    ],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_unknown_size_refuses_but_on_desks_that_may_enter_without(
    allowed: list[str], mode: str, outcome: str, side: str
) -> None:
    policy = a_policy(depth={"share_of_touch": "0.5", "allow_unknown": allowed})
    facts = some_facts(quotes={BTC: a_quote(bid_size=None, ask_size=None)}, mode=mode)
    found = finding(judge(a_proposal(side=side), facts, policy=policy), "DEPTH")
    touch = "ask" if side == "buy" else "bid"
    assert (found.outcome, found.unknown) == (outcome, outcome == "deny")
    if outcome == "pass":
        assert found.message == f"the market shows no size of the {touch}, and the policy allows that on {mode}"
    thin = some_facts(quotes={BTC: a_quote(bid_size="0", ask_size="0")}, mode=mode)
    assert grade("DEPTH", a_proposal(side=side), thin, policy) == "deny"


# The conditions of the market: exits, missing facts, switches, leave


UGLY = {
    "DRIFT": some_facts(quotes={BTC: a_quote(bid="103", ask="103")}, held=LONG),
    "SPREAD": some_facts(quotes={BTC: a_quote(bid="98", ask="102")}, held=LONG),
    "DEPTH": some_facts(quotes={BTC: a_quote(ask_size="1", bid_size="1")}, held=LONG),
    "MAX_QUANTITY": some_facts(bars={BTC: some_bars(average_volume="1")}, held=LONG),
}


@pytest.mark.parametrize("code", UGLY)
def test_an_exit_leaves_whatever_the_market_is_like(code: str) -> None:
    assert grade(code, facts=UGLY[code]) == "deny"
    assert grade(code, an_exit(reference_price=None), UGLY[code]) == "pass"


@pytest.mark.parametrize("code", UGLY)
def test_a_person_may_take_the_market_as_it_is_for_one_order(code: str) -> None:
    consented = UGLY[code].model_copy(update={"consents": (consent_to(a_proposal(), code, facts=UGLY[code]),)})
    assert grade(code, facts=consented) == "warn"
    assert grade(code, a_proposal(quantity="5.25"), consented) == "deny"


@pytest.mark.parametrize("code", ["DRIFT", "SPREAD", "DEPTH"])
def test_what_the_market_is_like_may_be_graded_and_turned_off(code: str) -> None:
    section = getattr(POLICY, code.lower()).model_dump()
    assert (
        grade(code, facts=UGLY[code], policy=a_policy(**{code.lower(): section | {"on_breach": "review"}})) == "review"
    )
    assert grade(code, facts=UGLY[code], policy=a_policy(**{code.lower(): section | {"on_breach": "warn"}})) == "warn"
    assert grade(code, facts=UGLY[code], policy=a_policy(**{code.lower(): section | {"enabled": False}})) == "pass"
    assert grade(code, policy=a_policy(**{code.lower(): None})) == "deny"


@pytest.mark.parametrize("code", ["DRIFT", "SPREAD", "DEPTH"])
def test_an_unknown_quote_is_never_softened(code: str) -> None:
    section = getattr(POLICY, code.lower()).model_dump() | {"on_breach": "warn"}
    assert grade(code, facts=some_facts(quotes={}), policy=a_policy(**{code.lower(): section})) == "deny"


# SELF_TRADE


def against(**over: object) -> Facts:
    """Facts with one order of ours on the selling side."""
    return some_facts(held={BTC: "-5"}, working=[working(**({"side": "sell", "limit_price": "101"} | over))])


@pytest.mark.parametrize(
    ("buy", "sale", "outcome"),
    [
        ({"limit_price": "101"}, {}, "deny"),
        ({"limit_price": "100.5"}, {}, "pass"),
        ({"limit_price": "102"}, {"limit_price": "102.5"}, "pass"),
        ({"limit_price": "102"}, {"limit_price": "90"}, "deny"),
        ({"type": "market", "limit_price": None}, {}, "deny"),
        ({"type": "market", "limit_price": None}, {"limit_price": "101.5"}, "pass"),
        ({}, {"limit_price": None}, "deny"),
        ({"limit_price": "101"}, {"symbol": ETH}, "pass"),
        ({"limit_price": "101"}, {"side": "buy"}, "pass"),
        ({"limit_price": "101"}, {"state": OrderState.UNKNOWN}, "deny"),
        ({"limit_price": "101"}, {"state": OrderState.APPROVED}, "deny"),
        ({"limit_price": "101"}, {"reduce_only": True}, "deny"),
    ],
)
def test_a_buy_does_not_meet_a_sale_of_ours(buy: dict[str, object], sale: dict[str, object], outcome: str) -> None:
    assert grade("SELF_TRADE", a_proposal(**buy), against(**sale)) == outcome


@pytest.mark.parametrize(
    ("sale", "buy", "outcome"),
    [
        ({"limit_price": "99"}, "99", "deny"),
        ({"limit_price": "99.5"}, "99", "pass"),
        ({"type": "market", "limit_price": None}, "99", "deny"),
        ({"type": "market", "limit_price": None}, "98.5", "pass"),
        ({"limit_price": "110"}, None, "deny"),
    ],
)
def test_a_sale_does_not_meet_a_buy_of_ours(sale: dict[str, object], buy: str | None, outcome: str) -> None:
    facts = some_facts(held={BTC: "20"}, working=[working(limit_price=buy)])
    assert grade("SELF_TRADE", a_proposal(**({"side": "sell"} | sale)), facts) == outcome


def test_a_market_entry_meets_what_lies_within_its_slippage() -> None:
    policy = a_policy(pricing={"market_slippage_bps": 1_000})
    market = a_proposal(type="market", limit_price=None)
    found = finding(judge(market, against(limit_price="111"), policy=policy), "SELF_TRADE")
    assert (found.outcome, found.observed, found.limit) == ("deny", 111, Decimal("111.1"))
    assert grade("SELF_TRADE", market, against(limit_price="111.5"), policy) == "pass"


@pytest.mark.parametrize(
    ("sale", "buy", "outcome"),
    [
        ({}, "99", "deny"),
        ({}, "98.5", "pass"),
        ({}, None, "pass"),
        ({"type": "limit", "limit_price": "95"}, "98.5", "pass"),
        ({"type": "limit", "limit_price": "95"}, "99", "deny"),
        ({"type": "limit", "limit_price": "100"}, "99.5", "pass"),
        ({"type": "limit", "limit_price": "100"}, "100", "deny"),
    ],
)
def test_an_exit_is_held_back_only_where_it_would_surely_meet_ours(
    sale: dict[str, object], buy: str | None, outcome: str
) -> None:
    facts = some_facts(held=LONG, working=[working(limit_price=buy)])
    policy = a_policy(pricing={"market_slippage_bps": 1_000})
    assert grade("SELF_TRADE", an_exit(**sale), facts, policy) == outcome


@pytest.mark.parametrize(("ours", "outcome"), [("101", "deny"), ("101.5", "pass"), (None, "pass")])
def test_a_short_is_bought_back_by_the_same_rule(ours: str | None, outcome: str) -> None:
    facts = some_facts(held={SWAP: "-5"}, working=[working(symbol=SWAP, side="sell", limit_price=ours)])
    assert grade("SELF_TRADE", an_exit(symbol=SWAP, side="buy"), facts) == outcome


def test_nobody_can_let_an_order_meet_one_of_ours() -> None:
    crossing = a_proposal(limit_price="101")
    facts = against().model_copy(update={"consents": (consent_to(crossing, "SELF_TRADE", facts=against()),)})
    assert grade("SELF_TRADE", crossing, facts) == "deny"


# SHORT and OPTION


def options(*, terms: bool = True, expires_in: timedelta = timedelta(days=10), **over: object) -> Facts:
    """A world in which `CALL` is traded around 100, with a delta of a half."""
    option = OptionTerms(right="call", strike=Decimal(100), expires_at=NOW + expires_in) if terms else None
    contract = an_instrument(CALL, kind="option", option=option)
    given = {
        "universe": (CALL, BTC),
        "instruments": {CALL: contract, BTC: an_instrument()},
        "quotes": {CALL: a_quote(CALL), BTC: a_quote()},
        "bars": {CALL: some_bars()},
        "deltas": {CALL: "0.5"},
    }
    return some_facts(**(given | over))


OPTIONS = {
    "minimum_days": 7,
    "minimum_delta": "0.3",
    "maximum_delta": "0.7",
    "share_of_equity": "0.2",
    "long_only": True,
}
WITH_OPTIONS = a_policy(option=OPTIONS)


def test_a_policy_without_a_word_on_options_lets_none_in_and_lets_others_pass() -> None:
    found = finding(judge(a_proposal(symbol=CALL), options()), "OPTION")
    assert (found.outcome, found.message) == ("deny", "the policy sets no limit here")
    assert finding(judge(), "OPTION").message == "passed by: for options only"
    assert grade("OPTION", facts=some_facts(instruments={})) == "deny"


@pytest.mark.parametrize(
    ("world", "outcome"),
    [
        (options(), "pass"),
        (options(terms=False), "deny"),
        (options(expires_in=timedelta(days=7)), "pass"),
        (options(expires_in=timedelta(days=7, microseconds=-1)), "deny"),
        (options(deltas={CALL: "0.3"}), "pass"),
        (options(deltas={CALL: "0.29"}), "deny"),
        (options(deltas={CALL: "0.7"}), "pass"),
        (options(deltas={CALL: "0.71"}), "deny"),
        (options(deltas={CALL: "-0.5"}), "pass"),
        (options(deltas={CALL: "-0.71"}), "deny"),
        (options(deltas={}), "deny"),
        (options(held={CALL: "10.75"}), "pass"),
        (options(held={CALL: "11"}), "warn"),
        (options(held={CALL: "15"}), "warn"),
        (options(held={CALL: "15.25"}), "deny"),
        (options(held={BTC: "15.25"}), "pass"),
        (options(working=[working(symbol=CALL, remaining="15.25")]), "deny"),
        (options(working=[working(symbol=BTC, remaining="15.25")]), "pass"),
    ],
)
def test_an_option_is_entered_within_its_limits(world: Facts, outcome: str) -> None:
    assert grade("OPTION", a_proposal(symbol=CALL), world, WITH_OPTIONS) == outcome


def held_option(quantity: str, *, paid: str) -> dict[str, object]:
    """A portfolio that holds `CALL`, for which `paid` was paid in all."""
    position = Position(symbol=CALL, quantity=Decimal(quantity), cost=Decimal(paid))
    return {"portfolio": a_portfolio(held={CALL: quantity}, positions={CALL: position})}


@pytest.mark.parametrize(
    ("limit", "world", "outcome"),
    [
        ({"maximum_days": 10}, options(), "pass"),
        ({"maximum_days": 10}, options(expires_in=timedelta(days=10, microseconds=1)), "deny"),
        ({"trade_share_of_equity": "0.07"}, options(), "pass"),
        ({"trade_share_of_equity": "0.05"}, options(), "warn"),
        ({"trade_share_of_equity": "0.0499"}, options(), "deny"),
        ({"maximum_positions": 1}, options(), "warn"),
        ({"maximum_positions": 2, "warn_at": 1}, options(held={CALL: "1"}, working=[working(symbol=BTC)]), "pass"),
        ({"maximum_positions": 0}, options(), "deny"),
        ({}, options(**held_option("5", paid="500")), "pass"),
        ({}, options(**held_option("5", paid="500.01")), "deny"),
        ({"averaging_down": True}, options(**held_option("5", paid="500.01")), "pass"),
        ({}, options(**held_option("5", paid="475.5"), quotes={CALL: a_quote(CALL, bid="95", ask="95")}), "deny"),
        ({}, options(**held_option("-5", paid="-499.99")), "pass"),
    ],
)
def test_an_option_is_entered_within_the_limits_that_a_policy_may_add(
    limit: dict[str, object], world: Facts, outcome: str
) -> None:
    policy = a_policy(option=OPTIONS | limit)
    assert grade("OPTION", a_proposal(symbol=CALL, limit_price="100"), world, policy) == outcome


def test_options_are_counted_over_several_and_other_positions_are_not_options() -> None:
    other = "BTC110C/USDT"
    instruments = {
        symbol: an_instrument(
            symbol,
            kind="option",
            option=OptionTerms(right="call", strike=Decimal(100), expires_at=NOW + timedelta(days=10)),
        )
        for symbol in (CALL, other)
    }
    world = options(
        universe=(CALL, other, BTC),
        instruments={**instruments, BTC: an_instrument()},
        quotes={CALL: a_quote(CALL), other: a_quote(other), BTC: a_quote()},
        held={other: "1", BTC: "1"},
    )
    found = finding(
        judge(a_proposal(symbol=CALL), world, policy=a_policy(option=OPTIONS | {"maximum_positions": 1})), "OPTION"
    )
    assert (found.outcome, found.observed, found.limit, found.unit) == ("deny", 2, 1, "options at once")


def test_a_short_option_that_loses_is_not_sold_again() -> None:
    policy = a_policy(option=OPTIONS | {"long_only": False, "share_of_equity": 1}, short={"allow": True})
    sale = a_proposal(symbol=CALL, side="sell", limit_price="100", stop_price="105")
    for paid, outcome in (("-500", "pass"), ("-499.99", "deny"), ("-501", "pass")):
        found = finding(judge(sale, options(**held_option("-5", paid=paid)), policy=policy), "OPTION")
        assert found.outcome == outcome
    dear = a_proposal(symbol=CALL, side="sell", limit_price="104", stop_price="105")
    found = finding(judge(dear, options(**held_option("-5", paid="-515")), policy=policy), "OPTION")
    assert (found.outcome, found.observed, found.limit) == ("deny", 520, 515)
    bought_back = finding(
        judge(a_proposal(symbol=CALL, quantity="1"), options(**held_option("-5", paid="-400")), policy=policy), "OPTION"
    )
    assert bought_back.outcome == "pass"


def test_an_option_that_expired_is_not_entered_even_where_days_do_not_matter() -> None:
    policy = a_policy(option=OPTIONS | {"minimum_days": 0})
    found = finding(judge(a_proposal(symbol=CALL), options(expires_in=timedelta(0)), policy=policy), "OPTION")
    assert (found.outcome, found.message) == ("deny", "the option has expired")
    soon = options(expires_in=timedelta(microseconds=1))
    assert grade("OPTION", a_proposal(symbol=CALL), soon, policy) == "pass"


@pytest.mark.parametrize(
    ("held", "orders", "long_only", "outcome"),
    [
        ("5", (), True, "pass"),
        ("4.75", (), True, "deny"),
        ("6", ({"side": "sell", "remaining": "1"},), True, "pass"),
        ("6", ({"side": "sell", "remaining": "1.25"},), True, "deny"),
        ("4.75", (), False, "pass"),
    ],
)
def test_no_more_options_are_sold_than_are_held(
    held: str, orders: tuple[dict[str, object], ...], long_only: bool, outcome: str
) -> None:
    facts = options(held={CALL: held}, working=[working(symbol=CALL, **order) for order in orders])
    policy = a_policy(option=OPTIONS | {"long_only": long_only}, short={"allow": True})
    sale = a_proposal(symbol=CALL, side="sell", stop_price="105")
    assert grade("OPTION", sale, facts, policy) == outcome
    assert grade("SHORT", sale, facts, policy) == "pass"


def test_an_option_can_be_left_on_its_last_day_under_a_policy_that_has_none() -> None:
    facts = options(held={CALL: "5"}, expires_in=timedelta(minutes=1), deltas={})
    assert grade("OPTION", an_exit(symbol=CALL), facts) == "pass"


def test_too_many_options_may_be_a_persons_to_decide_and_unknown_ones_are_not() -> None:
    policy = a_policy(option=OPTIONS | {"on_breach": "review"})
    assert grade("OPTION", a_proposal(symbol=CALL), options(held={CALL: "15.25"}), policy) == "review"
    assert grade("OPTION", a_proposal(symbol=CALL), options(deltas={}), policy) == "deny"


@pytest.mark.parametrize(
    ("code", "policy"),
    [
        ("MAX_NOTIONAL", a_policy(max_notional={"absolute": "404"})),
        ("MAX_QUANTITY", a_policy(max_quantity={"per_symbol": {BTC: 4}})),
    ],
)
def test_an_exit_that_is_too_large_for_one_order_is_told_to_leave_in_several(code: str, policy: Policy) -> None:
    whole = finding(judge(an_exit(), some_facts(held=LONG), policy=policy), code)
    assert whole.outcome == "deny"
    assert whole.message.endswith(": leave in several orders")
    assert grade(code, an_exit(quantity="4"), some_facts(held=LONG), policy) == "warn"
    entry = finding(judge(a_proposal(), policy=policy), code)
    assert entry.outcome == "deny"
    assert "several orders" not in entry.message
