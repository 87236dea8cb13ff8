"""Every check on both sides of every limit, in round numbers: equity 10,000, prices around 100."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

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
    finding,
    judge,
    some_facts,
    working,
)
from domain.decision import Proposal
from domain.order import OrderState
from policy import CHECKS, Facts, Policy

LONG = {BTC: "5"}
SHORT = {SWAP: "-5"}

SHORTS = a_policy(short={"allow": True})


def grade(code: str, proposal: Proposal | None = None, facts: Facts | None = None, policy: Policy | None = None) -> str:
    return finding(judge(proposal, facts, policy=policy or a_policy()), code).outcome


def test_the_proposal_and_the_facts_of_the_builders_are_allowed() -> None:
    verdict = judge()
    assert verdict.outcome == "allow"
    assert verdict.reasons == ()
    assert {f.outcome for f in verdict.findings} == {"pass"}


# WELL_FORMED


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"quantity": "5.25"}, None),
        ({"quantity": "5.1"}, "the quantity 5.1 is no multiple of the lot 0.25"),
        ({"limit_price": "100.5"}, None),
        ({"limit_price": "100.2"}, "the price 100.2 is no multiple of the tick 0.5"),
        ({"quantity": "0.5"}, None),
        ({"quantity": "0.25"}, "the notional 25 is below the minimum 50"),
        ({"type": "market", "limit_price": None, "quantity": "0.5"}, None),
        ({"type": "market", "limit_price": None, "quantity": "0.25"}, "the notional 25 is below the minimum 50"),
        ({"type": "market"}, "a limit order needs a limit price, and another order has none"),
        ({"limit_price": None}, "a limit order needs a limit price, and another order has none"),
    ],
)
def test_an_order_off_the_grid_is_refused_and_never_rounded(over: dict[str, object], message: str | None) -> None:
    facts = some_facts(instruments={BTC: an_instrument(min_notional="50")})
    found = finding(judge(a_proposal(**over), facts), "WELL_FORMED")
    assert found.outcome == ("deny" if message else "pass")
    assert message is None or found.message == message


@pytest.mark.parametrize(
    ("sizes", "over", "message"),
    [
        ({"min_quantity": "5.25"}, {}, "the quantity 5 is below the minimum 5.25"),
        ({"max_quantity": "4.75"}, {}, "the quantity 5 is above the maximum 4.75"),
        ({"max_notional": "499"}, {}, "the notional 500 is above the maximum 499"),
        ({"market_min_quantity": "5.25", "market_max_quantity": "4.75", "market_max_notional": "499"}, {}, None),
        ({"market_min_quantity": "5.25"}, {"type": "market"}, "the quantity 5 is below the minimum 5.25"),
        ({"market_max_quantity": "4.75"}, {"type": "market"}, "the quantity 5 is above the maximum 4.75"),
        ({"market_max_notional": "499"}, {"type": "market"}, "the notional 500 is above the maximum 499"),
        ({"min_notional": "501", "market_without_minimum": True}, {"type": "market"}, None),
        ({"stop_max_quantity": "4.75", "stop_max_notional": "499"}, {"type": "market"}, None),
    ],
)
def test_an_order_of_a_size_that_the_venue_does_not_take_is_refused_before_it_is_sent(
    sizes: dict[str, object], over: dict[str, object], message: str | None
) -> None:
    facts = some_facts(instruments={BTC: an_instrument(**sizes)})
    at_market = {"limit_price": None} if over else {}
    found = finding(judge(a_proposal(quantity="5", **over, **at_market), facts), "WELL_FORMED")
    assert (found.outcome, found.message) == ("deny" if message else "pass", message or "well-formed")


@pytest.mark.parametrize("exempt", [True, False])
def test_an_exit_may_be_worth_less_than_the_least_where_the_venue_says_so(exempt: bool) -> None:
    facts = some_facts(held=LONG, instruments={BTC: an_instrument(min_notional="501", exits_without_minimum=exempt)})
    assert grade("WELL_FORMED", an_exit(), facts) == ("pass" if exempt else "deny")
    assert grade("WELL_FORMED", a_stop(), facts) == ("pass" if exempt else "deny")
    assert grade("WELL_FORMED", a_proposal(), facts) == "deny"
    # Of 510 a stop at 95 leaves 484.5.
    assert grade("EXIT_SIZE", a_proposal(quantity="5.25"), facts.model_copy(update={"portfolio": a_portfolio()})) == (
        "pass" if exempt else "deny"
    )


def test_every_fault_of_form_is_named() -> None:
    found = finding(judge(a_proposal(quantity="5.1", limit_price="100.2")), "WELL_FORMED")
    assert found.message.count(";") == 1


def test_a_proposal_that_makes_no_order_has_a_verdict_without_an_order() -> None:
    verdict = judge(a_proposal(limit_price=None))
    assert verdict.outcome == "deny"
    assert verdict.order_digest is None
    assert verdict.client_order_id == a_proposal(limit_price=None).client_order_id


def test_exits_must_be_well_formed_too() -> None:
    assert grade("WELL_FORMED", an_exit(quantity="4.9"), some_facts(held=LONG)) == "deny"


# SYMBOL


@pytest.mark.parametrize(
    ("facts", "section", "outcome"),
    [
        ({}, {}, "pass"),
        ({"universe": (ETH,)}, {}, "deny"),
        ({"instruments": {}}, {}, "deny"),
        ({}, {"allow": [BTC]}, "pass"),
        ({}, {"allow": [ETH]}, "deny"),
        ({}, {"allow": []}, "deny"),
        ({}, {"deny": [ETH]}, "pass"),
        ({}, {"allow": [BTC], "deny": [BTC]}, "deny"),
    ],
)
def test_a_symbol_must_be_known_and_permitted(
    facts: dict[str, object], section: dict[str, object], outcome: str
) -> None:
    assert grade("SYMBOL", facts=some_facts(**facts), policy=a_policy(symbol=section)) == outcome


# ORDER_TYPE


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        ({}, "pass"),
        ({"time_in_force": "IOC"}, "pass"),
        ({"time_in_force": "FOK"}, "deny"),
        ({"type": "market", "limit_price": None}, "deny"),
    ],
)
def test_only_listed_types_and_times_in_force_are_taken(over: dict[str, object], outcome: str) -> None:
    policy = a_policy(order_type={"types": ["limit"], "times_in_force": ["GTC", "IOC"]})
    assert grade("ORDER_TYPE", a_proposal(**over), policy=policy) == outcome


def test_a_refused_order_type_says_which_are_taken() -> None:
    fok = finding(judge(a_proposal(time_in_force="FOK")), "ORDER_TYPE")
    assert fok.message == "time in force FOK is not among GTC, IOC"
    none = a_policy(order_type={"types": [], "times_in_force": []})
    assert finding(judge(policy=none), "ORDER_TYPE").message == "limit orders are not among none"
    limit_only = a_policy(order_type={"types": ["limit"], "times_in_force": []})
    assert finding(judge(policy=limit_only), "ORDER_TYPE").message == "time in force GTC is not among none"
    assert finding(judge(an_exit(), policy=limit_only), "ORDER_TYPE").message == "market orders are not among limit"


def test_what_is_permitted_is_listed_in_one_order() -> None:
    """A set has an order of its own in every process."""
    policy = a_policy()
    given = {"types": ("stop", "market"), "times_in_force": ("IOC", "GTC")}
    turned = policy.model_copy(update={"order_type": policy.order_type.model_copy(update=given)})
    assert finding(judge(policy=turned), "ORDER_TYPE").message == "limit orders are not among market, stop"
    fok = a_proposal(type="market", limit_price=None, time_in_force="FOK")
    assert finding(judge(fok, policy=turned), "ORDER_TYPE").message == "time in force FOK is not among GTC, IOC"


# MAX_NOTIONAL


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        ({"quantity": "7.75"}, "pass"),
        ({"quantity": "8"}, "warn"),
        ({"quantity": "10"}, "warn"),
        ({"quantity": "10.25"}, "deny"),
        ({"quantity": "9.75", "type": "market", "limit_price": None}, "warn"),
        ({"quantity": "10", "type": "market", "limit_price": None}, "deny"),
    ],
)
def test_an_entry_is_worth_at_most_its_share_of_equity(over: dict[str, object], outcome: str) -> None:
    assert grade("MAX_NOTIONAL", a_proposal(**over)) == outcome


@pytest.mark.parametrize(("quantity", "outcome"), [("4", "warn"), ("4.25", "deny")])
def test_the_smaller_of_share_and_absolute_cap_binds(quantity: str, outcome: str) -> None:
    policy = a_policy(max_notional={"share_of_equity": "0.1", "absolute": "400"})
    assert grade("MAX_NOTIONAL", a_proposal(quantity=quantity), policy=policy) == outcome


def test_a_market_order_is_valued_with_its_slippage() -> None:
    market = a_proposal(type="market", limit_price=None, quantity="9.75")
    found = finding(judge(market, policy=a_policy(pricing={"market_slippage_bps": 200})), "MAX_NOTIONAL")
    assert found.outcome == "deny"
    assert found.observed == Decimal("9.75") * 101 * Decimal("1.02")


def test_an_exit_larger_than_the_share_of_equity_may_leave() -> None:
    facts = some_facts(held={BTC: "20"})
    assert judge(an_exit(quantity="20"), facts).outcome == "allow"


def test_an_exit_is_bound_by_the_absolute_cap() -> None:
    policy = a_policy(max_notional={"absolute": "505"})
    assert grade("MAX_NOTIONAL", an_exit(), some_facts(held={BTC: "20"}), policy) == "warn"
    assert grade("MAX_NOTIONAL", an_exit(quantity="5.25"), some_facts(held={BTC: "20"}), policy) == "deny"


def test_without_equity_nothing_is_small_enough() -> None:
    facts = some_facts(portfolio=a_portfolio(cash="0"))
    assert grade("MAX_NOTIONAL", a_proposal(quantity="0.25"), facts) == "deny"


# PRICE_COLLAR


@pytest.mark.parametrize(
    ("limit_price", "outcome"),
    [("105", "warn"), ("105.5", "deny"), ("95", "warn"), ("94.5", "deny"), ("103.5", "pass")],
)
def test_a_limit_price_lies_within_the_band_on_either_side(limit_price: str, outcome: str) -> None:
    assert grade("PRICE_COLLAR", a_proposal(limit_price=limit_price)) == outcome


@pytest.mark.parametrize(("ask", "outcome"), [("105", "warn"), ("106", "deny")])
def test_a_market_order_is_refused_when_the_spread_is_torn_open(ask: str, outcome: str) -> None:
    quote = a_quote(bid=str(200 - int(ask)), ask=ask)
    assert (
        grade("PRICE_COLLAR", a_proposal(type="market", limit_price=None), some_facts(quotes={BTC: quote})) == outcome
    )


def test_exits_are_held_to_the_collar() -> None:
    exit_ = an_exit(type="limit", limit_price="90")
    assert judge(exit_, some_facts(held=LONG)).reasons[0].startswith("PRICE_COLLAR")


# MARKET_DATA


@pytest.mark.parametrize(
    ("quote", "outcome"),
    [
        ({"at": NOW}, "pass"),
        ({"at": NOW - timedelta(seconds=900)}, "pass"),
        ({"at": NOW - timedelta(seconds=900, microseconds=1)}, "deny"),
        ({"at": NOW + timedelta(microseconds=1)}, "deny"),
        ({"bid": "100", "ask": "100"}, "pass"),
        ({"bid": "100.5", "ask": "100"}, "deny"),
    ],
)
def test_a_quote_must_be_fresh_and_uncrossed(quote: dict[str, object], outcome: str) -> None:
    facts = some_facts(quotes={BTC: a_quote(**quote)}, held=LONG)
    assert grade("MARKET_DATA", facts=facts) == outcome
    assert grade("MARKET_DATA", an_exit(), facts) == outcome


def test_a_quote_of_an_earlier_cycle_serves_exits_and_no_entry() -> None:
    older = a_quote(at=NOW - timedelta(seconds=600))
    facts = some_facts(quotes={BTC: older, ETH: a_quote(ETH)}, dated=[BTC], held=LONG)
    assert (judge(an_exit(), facts).outcome, grade("MARKET_DATA", an_exit(), facts)) == ("allow", "pass")
    found = [f for f in judge(facts=facts).findings if f.code == "MARKET_DATA"]
    assert [(f.outcome, f.message) for f in found] == [
        ("deny", "no quote of BTC/USDT came in this cycle, and an older one serves exits only")
    ]
    assert grade("MARKET_DATA", a_proposal(symbol=ETH), facts) == "deny", "what is held can't be priced"
    flat = some_facts(quotes={BTC: older, ETH: a_quote(ETH)}, dated=[BTC])
    assert grade("MARKET_DATA", a_proposal(symbol=ETH), flat.about(a_proposal(symbol=ETH))) == "pass"


def test_an_exit_by_an_older_quote_has_the_age_that_every_quote_may_have() -> None:
    older = {BTC: a_quote(at=NOW - timedelta(seconds=901))}
    assert grade("MARKET_DATA", an_exit(), some_facts(quotes=older, dated=[BTC], held=LONG)) == "deny"


def test_without_a_quote_nothing_is_allowed() -> None:
    assert grade("MARKET_DATA", facts=some_facts(quotes={})) == "deny"
    assert judge(an_exit(), some_facts(quotes={}, held=LONG)).outcome == "deny"


# POSITION


@pytest.mark.parametrize(("held", "outcome"), [("6.75", "pass"), ("7", "warn"), ("10", "warn"), ("10.25", "deny")])
def test_a_position_counts_what_is_held_and_the_order(held: str, outcome: str) -> None:
    assert grade("POSITION", facts=some_facts(held={BTC: held})) == outcome


@pytest.mark.parametrize(
    ("order", "outcome"),
    [
        ({"remaining": "5"}, "warn"),
        ({"remaining": "5.25"}, "deny"),
        ({"remaining": "5.25", "symbol": ETH}, "pass"),
        ({"remaining": "5.25", "state": OrderState.UNKNOWN}, "deny"),
        ({"remaining": "5.25", "state": OrderState.APPROVED}, "deny"),
        ({"remaining": "5.25", "reduce_only": True}, "pass"),
        ({"remaining": "5", "limit_price": None}, "deny"),
    ],
)
def test_a_position_counts_working_orders_of_its_symbol(order: dict[str, object], outcome: str) -> None:
    facts = some_facts(held=LONG, working=[working(**order)])
    assert grade("POSITION", a_proposal(quantity="5"), facts) == outcome


def test_a_working_sale_does_not_make_room_for_a_buy() -> None:
    facts = some_facts(held={BTC: "12"}, working=[working(side="sell", remaining="12")])
    assert grade("POSITION", facts=facts) == "deny"


def test_shorts_are_exposure_like_longs() -> None:
    short = a_proposal(symbol=SWAP, side="sell", stop_price="105", quantity="10")
    assert finding(judge(short, policy=SHORTS), "POSITION").observed == 1010
    assert grade("POSITION", short, some_facts(held=SHORT), SHORTS) == "deny"


# EXPOSURE


@pytest.mark.parametrize(("held", "outcome"), [("42", "pass"), ("43", "warn"), ("55", "warn"), ("55.25", "deny")])
def test_exposure_adds_all_symbols(held: str, outcome: str) -> None:
    assert grade("EXPOSURE", facts=some_facts(held={ETH: held})) == outcome


def test_exposure_counts_working_orders_of_other_symbols() -> None:
    facts = some_facts(held={ETH: "50"}, working=[working(symbol=SWAP, remaining="5.25")])
    assert grade("EXPOSURE", facts=facts) == "deny"


def test_a_short_does_not_offset_a_long() -> None:
    assert grade("EXPOSURE", facts=some_facts(held={ETH: "30", SWAP: "-30"})) == "deny"


def test_a_position_without_a_price_refuses_entries() -> None:
    facts = some_facts(portfolio=a_portfolio(held={ETH: "1"}, marks={BTC: "100"}))
    verdict = judge(facts=facts)
    assert "EXPOSURE: the position in ETH/USDT has no mark price" in verdict.reasons


def test_a_working_order_without_a_price_refuses_entries() -> None:
    order = working(symbol=ETH, limit_price=None)
    facts = some_facts(working=[order], quotes={BTC: a_quote()}, portfolio=a_portfolio(marks={BTC: "100"}))
    assert "EXPOSURE: the working order in ETH/USDT has no price" in judge(facts=facts).reasons


# OPEN_POSITIONS


@pytest.mark.parametrize(
    ("world", "outcome"),
    [
        ({}, "pass"),
        ({"held": {ETH: "1"}}, "warn"),
        ({"held": {ETH: "1", BTC: "1"}}, "warn"),
        ({"held": {ETH: "1", SWAP: "1"}}, "deny"),
        ({"held": {ETH: "1"}, "working": [working(symbol=SWAP)]}, "deny"),
        ({"held": {ETH: "1"}, "working": [working(symbol=SWAP, reduce_only=True)]}, "warn"),
    ],
)
def test_open_positions_are_counted_with_those_that_working_orders_would_open(
    world: dict[str, object], outcome: str
) -> None:
    assert grade("OPEN_POSITIONS", facts=some_facts(**world)) == outcome


# CASH


def cash_facts(cash: str, **over: object) -> Facts:
    """Equity of 10,000 with `cash` of it free, the rest in ETH."""
    return some_facts(held={ETH: str((10_000 - Decimal(cash)) / 100)}, **over)


@pytest.mark.parametrize(("cash", "outcome"), [("1200", "pass"), ("1125", "warn"), ("1000", "warn"), ("999", "deny")])
def test_an_entry_leaves_the_reserve_untouched(cash: str, outcome: str) -> None:
    assert grade("CASH", facts=cash_facts(cash)) == outcome


@pytest.mark.parametrize(("cash", "outcome"), [("1005", "warn"), ("1004.99", "deny")])
def test_the_higher_fee_is_counted(cash: str, outcome: str) -> None:
    instruments = {s: an_instrument(s, maker_fee="0.002", taker_fee="0.01") for s in (BTC, ETH)}
    assert grade("CASH", facts=cash_facts(cash, instruments=instruments)) == outcome


@pytest.mark.parametrize(
    ("order", "outcome"),
    [
        ({}, "deny"),
        ({"symbol": ETH}, "deny"),
        ({"side": "sell", "symbol": ETH}, "warn"),
        ({"side": "sell", "symbol": SWAP}, "deny"),
        ({"reduce_only": True}, "warn"),
    ],
)
def test_working_entries_hold_their_cash(order: dict[str, object], outcome: str) -> None:
    assert grade("CASH", facts=cash_facts("1050", working=[working(**order)])) == outcome


def test_the_money_an_entry_takes_is_counted_with_working_entries_and_fees() -> None:
    instruments = {s: an_instrument(s, taker_fee="0.01") for s in (BTC, ETH, SWAP)}
    orders = [working(remaining="2", limit_price="98"), working(symbol=ETH, remaining="3", limit_price=None)]
    facts = some_facts(instruments=instruments, working=orders)
    taken = finding(judge(facts=facts), "CASH").observed
    assert taken == (500 + 2 * 98 + 3 * 101) * Decimal("1.01")


def test_a_short_ties_up_what_it_costs_to_buy_back() -> None:
    assert finding(judge(facts=some_facts(held={SWAP: "-20"})), "CASH").limit == 10_000 - 2_000 - 500


def test_an_account_in_another_currency_can_pay_for_nothing() -> None:
    facts = some_facts(portfolio=a_portfolio(currency="EUR"))
    assert "CASH: the account is in EUR and the price in USDT" in judge(facts=facts).reasons


# DAILY_LOSS


@pytest.mark.parametrize(
    ("equity", "outcome"),
    [("11000", "pass"), ("9761", "pass"), ("9760", "warn"), ("9700.01", "warn"), ("9700", "deny")],
)
def test_entries_stop_after_the_daily_loss(equity: str, outcome: str) -> None:
    assert grade("DAILY_LOSS", facts=some_facts(portfolio=a_portfolio(cash=equity))) == outcome


@pytest.mark.parametrize("start", [None, "0", "-1"])
def test_an_unknown_or_empty_start_of_the_day_refuses_entries(start: str | None) -> None:
    assert grade("DAILY_LOSS", facts=some_facts(equity_marks={"day_start": start})) == "deny"


# TRADING_STATE


@pytest.mark.parametrize(
    ("state", "entry", "exit_"),
    [
        ("active", "pass", "pass"),
        ("reducing", "deny", "pass"),
        ("halted", "deny", "deny"),
        ("paused", "deny", "deny"),
        ("", "deny", "deny"),
        (None, "deny", "deny"),
    ],
)
def test_the_trading_state_decides_what_is_taken(state: str | None, entry: str, exit_: str) -> None:
    facts = some_facts(held=LONG, trading_state=state)
    assert grade("TRADING_STATE", facts=facts) == entry
    assert grade("TRADING_STATE", an_exit(), facts) == exit_


def test_an_order_that_only_claims_to_reduce_is_an_entry() -> None:
    assert grade("TRADING_STATE", an_exit(), some_facts(trading_state="reducing")) == "deny"


# REDUCE_ONLY


@pytest.mark.parametrize(
    ("proposal", "world", "outcome"),
    [
        (a_proposal(), {}, "pass"),
        (an_exit(), {"held": LONG}, "pass"),
        (an_exit(quantity="5.25"), {"held": LONG}, "deny"),
        (an_exit(), {}, "deny"),
        (an_exit(side="buy"), {"held": LONG}, "deny"),
        (an_exit(symbol=SWAP, side="buy"), {"held": SHORT}, "pass"),
        (an_exit(symbol=SWAP, side="buy", quantity="5.25"), {"held": SHORT}, "deny"),
        (an_exit(symbol=SWAP, side="sell"), {"held": SHORT}, "deny"),
        (an_exit(quantity="4"), {"held": LONG, "working": [working(side="sell")]}, "pass"),
        (an_exit(quantity="4.25"), {"held": LONG, "working": [working(side="sell")]}, "deny"),
        (an_exit(quantity="4.25"), {"held": LONG, "working": [working(side="sell", reduce_only=True)]}, "deny"),
        (an_exit(quantity="4.25"), {"held": LONG, "working": [working(side="sell", state=OrderState.UNKNOWN)]}, "deny"),
        (an_exit(), {"held": LONG, "working": [working(side="sell", symbol=ETH)]}, "pass"),
        (an_exit(), {"held": LONG, "working": [working(side="buy")]}, "pass"),
        (an_exit(), {"portfolio": None}, "deny"),
    ],
)
def test_a_reduce_only_order_never_enlarges_or_flips(
    proposal: Proposal, world: dict[str, object], outcome: str
) -> None:
    assert grade("REDUCE_ONLY", proposal, some_facts(**world)) == outcome


@pytest.mark.parametrize(
    ("proposal", "held", "message"),
    [
        (an_exit(), {}, "there is no position to reduce"),
        (an_exit(side="buy"), LONG, "the order would enlarge the position"),
        (an_exit(symbol=SWAP), SHORT, "the order would enlarge the position"),
        (an_exit(quantity="6"), LONG, "6 with working exits would flip the position of 5"),
    ],
)
def test_a_refused_exit_says_what_it_would_do(proposal: Proposal, held: dict[str, str], message: str) -> None:
    assert finding(judge(proposal, some_facts(held=held)), "REDUCE_ONLY").message == message


def test_a_refused_exit_is_counted_with_the_exits_that_are_working() -> None:
    facts = some_facts(held=LONG, working=[working(side="sell", remaining="2")])
    found = finding(judge(an_exit(quantity="4"), facts), "REDUCE_ONLY")
    assert (found.observed, found.limit, found.unit) == (6, 5, "BTC")


SALE: dict[str, Any] = {"side": "sell", "stop_price": "105"}


@pytest.mark.parametrize(
    ("over", "world", "outcome"),
    [
        ({}, {"held": LONG}, "deny"),
        ({"quantity": "4"}, {"held": LONG}, "deny"),
        ({"quantity": "4"}, {"held": LONG, "working": [working(side="sell")]}, "deny"),
        ({"quantity": "4.25"}, {"held": LONG, "working": [working(side="sell")]}, "pass"),
        ({"quantity": "5.25"}, {"held": LONG}, "pass"),
        ({}, {}, "pass"),
        ({"symbol": SWAP}, {"held": {SWAP: "5"}}, "pass"),
        ({"side": "buy", "stop_price": "95"}, {"held": LONG}, "pass"),
        ({}, {"portfolio": None}, "deny"),
    ],
)
def test_a_plain_sale_of_no_more_spot_than_is_held_must_say_what_it_does(
    over: dict[str, Any], world: dict[str, Any], outcome: str
) -> None:
    assert grade("REDUCE_ONLY", a_proposal(**(SALE | over)), some_facts(**world)) == outcome


def test_a_plain_sale_of_owned_spot_is_told_how_to_leave_and_may_leave_so() -> None:
    facts = some_facts(held=LONG)
    refused = judge(a_proposal(**SALE), facts)
    words = "REDUCE_ONLY: the sale only leaves what is held (5 BTC): propose it again with reduce_only"
    assert words in refused.reasons
    assert judge(an_exit(), facts).outcome == "allow"
    more = judge(a_proposal(**SALE, quantity="5.25"), facts)
    assert [reason.split(":")[0] for reason in more.reasons if reason[:5] in ("SHORT", "REDUC")] == ["SHORT"]


# SHORT


@pytest.mark.parametrize(
    ("over", "world", "policy", "outcome"),
    [
        ({"side": "buy"}, {}, a_policy(), "pass"),
        ({}, {"held": LONG}, a_policy(), "pass"),
        ({"quantity": "5.25"}, {"held": LONG}, a_policy(), "deny"),
        ({}, {"held": LONG, "working": [working(side="sell")]}, a_policy(), "deny"),
        ({}, {}, a_policy(), "deny"),
        ({}, {}, SHORTS, "deny"),
        ({"symbol": SWAP}, {}, a_policy(), "deny"),
        ({"symbol": SWAP}, {}, SHORTS, "pass"),
        ({"symbol": SWAP}, {"held": SHORT}, SHORTS, "pass"),
        ({}, {"portfolio": None}, SHORTS, "deny"),
    ],
)
def test_more_than_is_held_is_sold_only_where_shorts_are_allowed(
    over: dict[str, object], world: dict[str, object], policy: Policy, outcome: str
) -> None:
    assert grade("SHORT", a_proposal(**({"side": "sell"} | over)), some_facts(**world), policy) == outcome


# STOP_REQUIRED and RISK_PER_TRADE


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        ({"stop_price": None}, "deny"),
        ({"stop_price": "98.5"}, "pass"),
        ({"stop_price": "99"}, "deny"),
        ({"limit_price": "97", "stop_price": "96.5"}, "pass"),
        ({"limit_price": "97", "stop_price": "97"}, "deny"),
        ({"type": "market", "limit_price": None, "stop_price": "98.5"}, "pass"),
        ({"type": "market", "limit_price": None, "stop_price": "99"}, "deny"),
        ({"side": "sell", "stop_price": "101.5"}, "pass"),
        ({"side": "sell", "stop_price": "101"}, "deny"),
        ({"side": "sell", "limit_price": "103", "stop_price": "103"}, "deny"),
        ({"side": "sell", "type": "market", "limit_price": None, "stop_price": "101.5"}, "pass"),
        ({"side": "sell", "type": "market", "limit_price": None, "stop_price": "95"}, "deny"),
    ],
)
def test_a_stop_stands_on_the_losing_side(over: dict[str, object], outcome: str) -> None:
    assert grade("STOP_REQUIRED", a_proposal(**over)) == outcome


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        ({"target_price": "100.5"}, "pass"),
        ({"target_price": "100"}, "deny"),
        ({"target_price": "96"}, "deny"),
        ({"limit_price": "97", "stop_price": "95", "target_price": "98"}, "pass"),
        ({"limit_price": "97", "stop_price": "95", "target_price": "97"}, "deny"),
        ({"type": "market", "limit_price": None, "target_price": "101.5"}, "pass"),
        ({"type": "market", "limit_price": None, "target_price": "101"}, "deny"),
        ({"side": "sell", "stop_price": "105", "target_price": "99.5"}, "pass"),
        ({"side": "sell", "stop_price": "105", "target_price": "100"}, "deny"),
        ({"side": "sell", "stop_price": "105", "target_price": "120"}, "deny"),
        ({"side": "sell", "type": "market", "limit_price": None, "stop_price": "105", "target_price": "98.5"}, "pass"),
        ({"side": "sell", "type": "market", "limit_price": None, "stop_price": "105", "target_price": "99"}, "deny"),
    ],
)
def test_a_target_stands_on_the_gaining_side(over: dict[str, object], outcome: str) -> None:
    assert grade("STOP_REQUIRED", a_proposal(**over)) == outcome
    without = a_proposal(**({"stop_price": None} | {k: v for k, v in over.items() if k != "stop_price"}))
    assert grade("STOP_REQUIRED", without, policy=a_policy(stop={"required": False})) == outcome


def test_a_target_that_is_refused_is_named_with_the_price_that_it_lies_before() -> None:
    found = finding(judge(a_proposal(target_price="96")), "STOP_REQUIRED")
    assert found.message == "the target 96 is not on the gaining side of 100"


def test_an_exit_has_no_target_to_be_wrong() -> None:
    assert grade("STOP_REQUIRED", an_exit(target_price="200"), some_facts(held=LONG)) == "pass"


def test_a_policy_may_do_without_stops_but_not_with_wrong_ones() -> None:
    free = a_policy(stop={"required": False})
    assert grade("STOP_REQUIRED", a_proposal(stop_price=None), policy=free) == "pass"
    assert grade("STOP_REQUIRED", a_proposal(stop_price="105"), policy=free) == "deny"


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        ({"stop_price": "84.5"}, "pass"),
        ({"stop_price": "84"}, "warn"),
        ({"stop_price": "80"}, "warn"),
        ({"stop_price": "79.5"}, "deny"),
        ({"type": "market", "limit_price": None, "stop_price": "81"}, "warn"),
        ({"type": "market", "limit_price": None, "stop_price": "80.5"}, "deny"),
        ({"side": "sell", "stop_price": "120"}, "warn"),
        ({"side": "sell", "stop_price": "120.5"}, "deny"),
        ({"side": "sell", "type": "market", "limit_price": None, "stop_price": "119"}, "warn"),
        ({"side": "sell", "type": "market", "limit_price": None, "stop_price": "119.5"}, "deny"),
        ({"stop_price": None, "quantity": "1"}, "warn"),
        ({"stop_price": None, "quantity": "1.25"}, "deny"),
        ({"side": "sell", "stop_price": None, "quantity": "0.25"}, "deny"),
    ],
)
def test_a_trade_risks_at_most_its_share_from_worst_price_to_stop(over: dict[str, object], outcome: str) -> None:
    assert grade("RISK_PER_TRADE", a_proposal(**over)) == outcome


@pytest.mark.parametrize(("side", "stop", "distance"), [("buy", "95", "7.01"), ("sell", "105", "6.99")])
def test_slippage_widens_the_risk_on_both_sides(side: str, stop: str, distance: str) -> None:
    market = a_proposal(side=side, type="market", limit_price=None, stop_price=stop, quantity="1")
    found = finding(judge(market, policy=a_policy(pricing={"market_slippage_bps": 100})), "RISK_PER_TRADE")
    assert found.observed == Decimal(distance)


# CONVICTION


@pytest.mark.parametrize(("conviction", "outcome"), [("0.54", "deny"), ("0.55", "pass"), ("1", "pass")])
def test_an_entry_needs_conviction(conviction: str, outcome: str) -> None:
    assert grade("CONVICTION", a_proposal(conviction=conviction)) == outcome


@pytest.mark.parametrize(
    ("conviction", "outcome"), [("0.54", "deny"), ("0.55", "review"), ("0.69", "review"), ("0.7", "allow")]
)
def test_a_person_decides_between_the_minimum_and_the_review_level(conviction: str, outcome: str) -> None:
    policy = a_policy(conviction={"minimum": "0.55", "review_below": "0.7"})
    assert judge(a_proposal(conviction=conviction), policy=policy).outcome == outcome


# UNKNOWN_ORDER


@pytest.mark.parametrize(
    ("order", "outcome"),
    [
        ({"state": OrderState.UNKNOWN}, "deny"),
        ({"state": OrderState.UNKNOWN, "symbol": ETH}, "pass"),
        ({"state": OrderState.SUBMITTING}, "pass"),
    ],
)
def test_an_order_in_doubt_blocks_entries_in_its_symbol(order: dict[str, object], outcome: str) -> None:
    assert grade("UNKNOWN_ORDER", facts=some_facts(working=[working(**order)])) == outcome


def test_an_exit_passes_by_every_entry_only_check() -> None:
    facts = some_facts(
        held={BTC: "90"},
        working=[
            working(state=OrderState.UNKNOWN, limit_price="98"),
            working(client_order_id="b", symbol=ETH, remaining="500"),
        ],
        equity_marks={},
        quotes={BTC: a_quote(bid_size=None, ask_size=None)},
        bars={},
        support={},
        usage=None,
        latches=({"agent": "risk", "symbol": BTC},),
    )
    verdict = judge(an_exit(quantity="90", conviction="0"), facts)
    assert verdict.outcome == "allow"
    passed_by = {f.code for f in verdict.findings if f.message.startswith("passed by")}
    entry_only = {check.code for check in CHECKS if check.entry_only}
    assert passed_by == entry_only | {"MAX_NOTIONAL", "MAX_QUANTITY", "SUPPORT"}


def test_a_sale_without_the_reduce_only_mark_is_judged_as_an_entry() -> None:
    verdict = judge(an_exit(reduce_only=False), some_facts(held=LONG))
    assert "STOP_REQUIRED: the entry has no stop price" in verdict.reasons
