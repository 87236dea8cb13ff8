"""Stops that a venue holds, and limit orders that may only rest: what they must be, and what they count for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from builders.policy import (
    BTC,
    ETH,
    NOW,
    POLICY,
    SWAP,
    a_policy,
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
from graphs.session.profiles import PROFILES, profile
from policy import CHECKS, Facts, Finding, Policy, WorkingOrder
from policy.account import SentOrder
from policy.book import Book
from policy.case import Case
from policy.engine import PolicyEngine
from policy.explain import explain

LONG = {BTC: "5"}
SHORT = {SWAP: "-5"}
SLIPPING = a_policy(pricing={"market_slippage_bps": 1_000})
"""A tenth of the price."""


def a_short_stop(**over: object) -> Proposal:
    """A reduce-only stop that buys 5 of the swap back once the market trades at 105."""
    return a_stop(**({"symbol": SWAP, "side": "buy", "trigger_price": "105"} | over))


def resting_stop(**over: object) -> WorkingOrder:
    """A reduce-only stop of ours that sells 2 at 95."""
    given = {"side": "sell", "remaining": "2", "limit_price": None, "stop_price": None, "trigger_price": "95"}
    return working(**(given | {"reduce_only": True} | over))


def found(code: str, proposal: Proposal, facts: Facts | None = None, policy: Policy = POLICY) -> Finding:
    return finding(judge(proposal, facts or some_facts(held=LONG), policy=policy), code)


def well_formed(proposal: Proposal) -> tuple[str, str]:
    """From the check alone, also on fields that nobody validated."""
    (check,) = [check for check in CHECKS if check.code == "WELL_FORMED"]
    said = check(Case(proposal, some_facts(held=LONG), policy=POLICY))
    return said.outcome, said.message


def book(policy: Policy = SLIPPING, **world: object) -> Book:
    return Book(some_facts(**world), policy=policy)


def test_a_stop_below_a_long_position_is_allowed() -> None:
    verdict = judge(a_stop(), some_facts(held=LONG))
    assert verdict.outcome == "allow", verdict.reasons


def test_a_stop_above_a_short_position_is_allowed() -> None:
    verdict = judge(a_short_stop(), some_facts(held=SHORT))
    assert verdict.outcome == "allow", verdict.reasons


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_lets_a_stop_be_placed(name: str) -> None:
    facts = some_facts(held={BTC: "1"}, quotes={BTC: a_quote(bid="99.5", ask="100")})
    verdict = judge(a_stop(quantity="1"), facts, policy=profile(name))
    assert verdict.outcome == "allow", verdict.reasons


# WELL_FORMED


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"trigger_price": None}, "a stop needs a trigger price, and another order has none"),
        ({"limit_price": Decimal(95)}, "a limit order needs a limit price, and another order has none"),
        ({"type": "market"}, "a stop needs a trigger price, and another order has none"),
        ({"type": "limit", "limit_price": Decimal(95)}, "a stop needs a trigger price, and another order has none"),
        ({"trigger_price": Decimal("1E+31")}, "the trigger_price is beyond 1E-30 or 1E+30"),
        ({"trigger_price": Decimal("95.25")}, "the trigger price 95.25 is no multiple of the tick 0.5"),
        ({"time_in_force": "IOC"}, "an order that waits can't be IOC"),
        ({"time_in_force": "FOK"}, "an order that waits can't be FOK"),
        ({"post_only": True}, "only a limit order can be post-only"),
    ],
)
def test_a_stop_has_a_trigger_on_the_tick_and_waits_until_it_is_cancelled(
    over: dict[str, object], message: str
) -> None:
    assert well_formed(a_stop().model_copy(update=over)) == ("deny", message)
    assert well_formed(a_stop()) == ("pass", "well-formed")


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"type": "market", "limit_price": None}, "only a limit order can be post-only"),
        ({"time_in_force": "IOC"}, "an order that waits can't be IOC"),
        ({"time_in_force": "FOK"}, "an order that waits can't be FOK"),
        ({}, ""),
    ],
)
def test_only_a_limit_order_that_may_rest_is_post_only(over: dict[str, object], message: str) -> None:
    proposal = a_proposal(**({"post_only": True} | over))
    assert well_formed(proposal) == (("deny", message) if message else ("pass", "well-formed"))
    assert well_formed(proposal.model_copy(update={"post_only": False}))[0] == "pass"


def test_the_minimum_notional_of_a_stop_is_measured_at_its_trigger() -> None:
    facts = some_facts(held=LONG, instruments={BTC: an_instrument(min_notional="475")})
    assert found("WELL_FORMED", a_stop(), facts).outcome == "pass"
    short_of_it = found("WELL_FORMED", a_stop(trigger_price="94.5"), facts)
    assert short_of_it.message == "the notional 472.5 is below the minimum 475"


def test_what_would_have_passed_is_told_of_a_stop_by_its_trigger() -> None:
    facts = some_facts(held=LONG, instruments={BTC: an_instrument(min_notional="475")})
    stop, engine = a_stop(quantity="4"), PolicyEngine(POLICY)
    told = explain(engine.evaluate(stop, facts), stop, facts, engine=engine)
    assert told.largest == 5


# ORDER_TYPE


@pytest.mark.parametrize(
    ("proposal", "facts"),
    [
        (a_stop(reduce_only=False), some_facts(held=LONG)),
        (a_stop(side="buy", trigger_price="105", reduce_only=False), some_facts()),
        (a_stop(), some_facts()),
        (a_stop(side="buy", trigger_price="105"), some_facts(held=LONG)),
        (a_stop(quantity="5.25"), some_facts(held=LONG)),
        (a_stop(), some_facts(held=LONG, portfolio=None)),
        (a_stop(), some_facts(held=LONG, working=[resting_stop(remaining="0.25")])),
    ],
)
def test_a_stop_never_enters(proposal: Proposal, facts: Facts) -> None:
    said = found("ORDER_TYPE", proposal, facts)
    assert (said.outcome, said.message) == ("deny", "a stop is for leaving, and this order does not only reduce")


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("98.5", "waits on the losing side"),
        ("99", "the trigger 99 is not below the bid of 99: the stop would fire at once"),
        ("110", "the trigger 110 is not below the bid of 99: the stop would fire at once"),
    ],
)
def test_a_sale_waits_below_the_bid(trigger: str, message: str) -> None:
    said = found("ORDER_TYPE", a_stop(trigger_price=trigger))
    assert (said.outcome, said.message) == ("pass" if trigger == "98.5" else "deny", message)


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("101.5", "waits on the losing side"),
        ("101", "the trigger 101 is not above the ask of 101: the stop would fire at once"),
        ("90", "the trigger 90 is not above the ask of 101: the stop would fire at once"),
    ],
)
def test_a_buy_waits_above_the_ask(trigger: str, message: str) -> None:
    said = found("ORDER_TYPE", a_short_stop(trigger_price=trigger), some_facts(held=SHORT))
    assert (said.outcome, said.message) == ("pass" if trigger == "101.5" else "deny", message)


def test_without_a_quote_nobody_knows_whether_a_stop_would_fire() -> None:
    said = found("ORDER_TYPE", a_stop(), some_facts(held=LONG, quotes={}))
    assert (said.outcome, said.message, said.unknown) == ("deny", "there is no quote", True)


def test_a_stop_without_a_trigger_is_no_stop() -> None:
    said = found("ORDER_TYPE", a_stop(trigger_price=None))
    assert (said.outcome, said.message) == ("deny", "the stop has no trigger price")


def test_a_policy_that_does_not_list_stops_takes_none() -> None:
    without = a_policy(order_type={"types": ["limit", "market"], "times_in_force": ["GTC"]})
    said = found("ORDER_TYPE", a_stop(), policy=without)
    assert (said.outcome, said.message) == ("deny", "stop orders are not among limit, market")


# PRICE_COLLAR: 5 % of the middle of 100 for prices, 20 % for stops


@pytest.mark.parametrize(("trigger", "outcome"), [("90", "pass"), ("84.5", "pass"), ("80", "warn"), ("79.5", "deny")])
def test_a_trigger_lies_within_the_band_of_stops(trigger: str, outcome: str) -> None:
    said = found("PRICE_COLLAR", a_stop(trigger_price=trigger))
    assert (said.outcome, said.limit, said.unit) == (outcome, 20, "USDT from the mid price to the trigger")


def test_the_trigger_of_a_short_is_bound_the_same_way() -> None:
    facts = some_facts(held=SHORT)
    assert found("PRICE_COLLAR", a_short_stop(trigger_price="120"), facts).outcome == "warn"
    assert found("PRICE_COLLAR", a_short_stop(trigger_price="120.5"), facts).outcome == "deny"


# REDUCE_ONLY and SHORT: what stands to be sold can't be sold twice


@pytest.mark.parametrize(("quantity", "outcome"), [("3", "pass"), ("3.25", "deny")])
@pytest.mark.parametrize("leaving", [an_exit, a_stop])
def test_an_exit_beside_a_working_stop_takes_what_that_leaves(leaving: object, quantity: str, outcome: str) -> None:
    facts = some_facts(held=LONG, working=[resting_stop()])
    order = leaving(quantity=quantity)  # type: ignore[operator]
    for code in ("REDUCE_ONLY", "SHORT"):
        assert found(code, order, facts).outcome == outcome
    beside_another = some_facts(held=LONG, working=[resting_stop(symbol=ETH)])
    assert found("REDUCE_ONLY", order, beside_another).outcome == "pass"


# What counts as a stop's worth


@pytest.mark.parametrize(
    ("side", "trigger", "worst"),
    [("buy", "110", "121"), ("buy", "90", "111.1"), ("sell", "95", "101"), ("sell", "110", "110")],
)
def test_a_stop_counts_at_its_trigger_or_the_ask_whichever_is_worse(side: str, trigger: str, worst: str) -> None:
    stop = a_stop(side=side, trigger_price=trigger)
    assert Case(stop, some_facts(), policy=SLIPPING).worst_price == Decimal(worst)
    assert book().valued_at(resting_stop(side=side, trigger_price=trigger), ask=Decimal(101)) == Decimal(worst)


@pytest.mark.parametrize(
    ("side", "trigger", "furthest"),
    [("buy", "110", "121"), ("buy", "90", "111.1"), ("sell", "95", "85.5"), ("sell", "110", "89.1")],
)
def test_a_stop_fills_beyond_its_trigger_at_worst(side: str, trigger: str, furthest: str) -> None:
    assert book().entered_at(resting_stop(side=side, trigger_price=trigger)) == Decimal(furthest)


def test_a_stop_to_buy_back_is_held_to_the_absolute_cap_with_slippage() -> None:
    capped = SLIPPING.model_copy(update={"max_notional": a_policy(max_notional={"absolute": "605"}).max_notional})
    facts = some_facts(held=SHORT)
    assert found("MAX_NOTIONAL", a_short_stop(trigger_price="110"), facts, capped).observed == 605
    assert found("MAX_NOTIONAL", a_short_stop(trigger_price="110.5"), facts, capped).outcome == "deny"


def test_a_working_stop_that_reduces_is_no_exposure_and_no_risk() -> None:
    alone, beside = book(held=LONG), book(held=LONG, working=[resting_stop()])
    assert beside.exposures == alone.exposures
    assert beside.risk == alone.risk
    assert beside.committed == alone.committed == 0
    assert not beside.entries


def test_a_working_stop_that_enters_is_exposure_and_risk() -> None:
    """Put there by somebody else: the gate lets none through."""
    by_hand = resting_stop(side="buy", trigger_price="110", stop_price="100", reduce_only=False)
    world = book(working=[by_hand])
    assert world.exposures == {BTC: 242}
    assert world.risk == 42
    assert world.committed == 242


# DUPLICATE and SELF_TRADE


def sent(*proposals: Proposal) -> Facts:
    return some_facts(held=LONG, sent=[SentOrder.of(proposal, at=NOW) for proposal in proposals])


def test_a_protective_stop_may_be_put_back_as_it_was_and_not_twice() -> None:
    """As after an exit that was refused: the same stop, seconds later."""
    assert found("DUPLICATE", a_stop(cycle=2), sent(a_stop())).outcome == "pass"
    assert found("DUPLICATE", an_exit(cycle=2), sent(an_exit())).outcome == "deny"
    standing = some_facts(held=LONG, working=[resting_stop(remaining="5")], sent=[SentOrder.of(a_stop(), at=NOW)])
    assert found("DUPLICATE", a_stop(cycle=2), standing).outcome == "deny"
    assert found("REDUCE_ONLY", a_stop(cycle=2), standing).outcome == "deny"


# An order that replaces a stop


def test_an_order_is_judged_as_if_the_stop_that_it_replaces_were_gone() -> None:
    held = resting_stop(remaining="5")
    facts = some_facts(held=LONG, working=[held])
    exit = an_exit(quantity="5")
    assert judge(exit, facts).outcome == "deny"
    replacing = exit.model_copy(update={"releases": (held.client_order_id,)})
    assert judge(replacing, facts).outcome == "allow"
    moved = a_stop(trigger_price="96", releases=[held.client_order_id])
    assert judge(moved, facts).outcome == "allow"
    assert judge(moved.model_copy(update={"quantity": Decimal(6)}), facts).outcome == "deny"


@pytest.mark.parametrize(
    "other",
    [
        resting_stop(remaining="5", reduce_only=False),
        working(side="sell", remaining="5", limit_price="105", reduce_only=True, stop_price=None),
        resting_stop(remaining="5", symbol=ETH),
    ],
)
def test_only_a_protective_stop_of_the_symbol_can_be_replaced(other: WorkingOrder) -> None:
    facts = some_facts(held={BTC: "5", ETH: "5"}, working=[other, resting_stop(client_order_id="acown", remaining="5")])
    exit = an_exit(quantity="5").model_copy(update={"releases": (other.client_order_id,)})
    assert judge(exit, facts).outcome == "deny"


def test_what_was_let_through_stands_in_place_of_what_it_replaces() -> None:
    facts = some_facts(held=LONG, working=[resting_stop(remaining="5")])
    after = facts.after(an_exit(quantity="2").model_copy(update={"releases": ("acother",)}))
    assert [(order.remaining, order.protects) for order in after.working] == [(Decimal(2), False)]


def test_an_order_that_replaces_a_stop_leaves_room_to_put_that_back() -> None:
    limited = a_policy(order_rate={"window_s": 60, "per_symbol": 2, "in_all": 9, "kept_for_exits": 0})
    exit = an_exit()
    assert found("ORDER_RATE", exit, sent(a_stop()), limited).outcome == "warn"
    replacing = exit.model_copy(update={"releases": ("acother",)})
    assert found("ORDER_RATE", replacing, sent(a_stop()), limited).outcome == "deny"
    assert found("ORDER_RATE", a_stop(trigger_price="96"), sent(a_stop()), limited).outcome == "warn"


@pytest.mark.parametrize(("limit", "stops", "most"), [(8, 1, 7), (8, 3, 5), (8, 7, 4), (3, 2, 2), (2, 5, 1), (1, 1, 1)])
def test_an_exit_leaves_room_to_put_back_each_stop_that_it_replaces(limit: int, stops: int, most: int) -> None:
    """Or a refused exit of a position that several stops hold leaves a part of it bare; half is for exits always."""
    limited = a_policy(order_rate={"window_s": 60, "per_symbol": limit, "in_all": 99, "kept_for_exits": 0})
    exit = an_exit().model_copy(update={"releases": tuple(f"acother{n}" for n in range(stops))})
    assert found("ORDER_RATE", exit, sent(*[a_stop()] * (most - 1)), limited).outcome != "deny"
    assert found("ORDER_RATE", exit, sent(*[a_stop()] * most), limited).outcome == "deny"


@pytest.mark.parametrize(("state", "others"), [("halted", "deny"), ("reducing", "pass"), (None, "deny")])
def test_a_protective_stop_is_placed_in_each_known_trading_state(state: str | None, others: str) -> None:
    facts = some_facts(held=LONG, trading_state=state)
    engine = PolicyEngine(POLICY)
    exit, stop = (finding(engine.evaluate(order, facts), "TRADING_STATE") for order in (an_exit(), a_stop()))
    assert exit.outcome == others
    assert stop.outcome == ("deny" if state is None else "pass")
    entering = a_stop(quantity="9")
    assert finding(engine.evaluate(entering, facts), "TRADING_STATE").outcome == "deny"


def test_a_stop_counts_against_the_order_rate() -> None:
    assert found("ORDER_RATE", a_proposal(), sent(a_stop())).observed == 2


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ({"limit_price": "100"}, "pass"),
        ({"limit_price": "95.5"}, "pass"),
        ({"limit_price": "95"}, "deny"),
        ({"limit_price": "90"}, "deny"),
        ({"type": "market", "limit_price": None}, "pass"),
    ],
)
def test_an_entry_may_not_stand_where_our_own_stop_sells(entry: dict[str, object], outcome: str) -> None:
    facts = some_facts(held=LONG, working=[resting_stop()])
    said = found("SELF_TRADE", a_proposal(**({"stop_price": "85"} | entry)), facts)
    assert said.outcome == outcome
    if outcome == "deny":
        reach = Decimal(str(entry.get("limit_price", "100")))
        assert (said.observed, said.limit, said.unit) == (95, reach, "USDT")
    else:
        assert (said.observed, said.limit, said.unit) == (None, None, "")


@pytest.mark.parametrize(
    ("limit_price", "outcome"), [("100", "pass"), ("104.5", "pass"), ("105", "deny"), ("110", "deny")]
)
def test_a_sale_may_not_stand_where_our_own_stop_buys_back(limit_price: str, outcome: str) -> None:
    ours = resting_stop(symbol=SWAP, side="buy", trigger_price="105")
    facts = some_facts(held=SHORT, working=[ours])
    entry = a_proposal(symbol=SWAP, side="sell", limit_price=limit_price, stop_price="115")
    assert found("SELF_TRADE", entry, facts).outcome == outcome


def test_an_entry_that_meets_another_order_of_ours_is_refused_beside_a_stop_too() -> None:
    for ours in (
        (resting_stop(), resting_stop(trigger_price=None)),
        (resting_stop(), resting_stop(trigger_price=None, limit_price="100")),
    ):
        facts = some_facts(held={BTC: "20"}, working=list(ours))
        assert found("SELF_TRADE", a_proposal(), facts).outcome == "deny"


def test_a_stop_is_placed_though_ours_stands_at_the_touch() -> None:
    """It meets nothing now, and what it meets when it fires nobody knows."""
    facts = some_facts(held=LONG, working=[working(limit_price="99")])
    assert found("SELF_TRADE", a_stop(), facts).outcome == "pass"
    assert found("SELF_TRADE", an_exit(), facts).outcome == "deny"


def test_an_exit_passes_by_a_stop_of_ours_on_the_other_side() -> None:
    facts = some_facts(held=LONG, working=[resting_stop(side="buy", trigger_price="105")])
    assert found("SELF_TRADE", an_exit(type="limit", limit_price="110"), facts).outcome == "pass"


def test_orders_and_what_was_sent_keep_the_trigger_and_digests_of_before() -> None:
    order = WorkingOrder.of(a_stop().order(), state=OrderState.WORKING)
    assert order.trigger_price == SentOrder.of(a_stop(), at=NOW).trigger_price == 95
    assert some_facts().after(a_stop()).working[-1].trigger_price == 95
    for value in (working(), SentOrder.of(a_proposal(), at=NOW)):
        assert "trigger_price" not in value.model_dump()


# Exits that the venue attaches to an entry, and targets of stops


def an_attached(**over: object) -> Proposal:
    """Buys 5 at 100, and has a stop at 95 and a target at 110 attached."""
    return a_proposal(**({"attached": True, "target_price": "110"} | over))


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"stop_price": Decimal("94.75")}, "the stop price 94.75 is no multiple of the tick 0.5"),
        ({"target_price": Decimal("110.25")}, "the target price 110.25 is no multiple of the tick 0.5"),
        ({"stop_price": None}, "an entry that has its exits attached needs a stop price"),
        ({"reduce_only": True}, "only an entry has its exits attached"),
    ],
)
def test_what_is_attached_is_a_stop_on_the_tick_of_an_entry(over: dict[str, object], message: str) -> None:
    assert well_formed(an_attached()) == ("pass", "well-formed")
    assert well_formed(an_attached().model_copy(update=over)) == ("deny", message)
    watched = {"attached": False, "target_price": Decimal("110.25"), "stop_price": Decimal("94.75")}
    assert well_formed(an_attached().model_copy(update=watched))[0] == "pass", "no venue sees them"


def test_the_target_of_a_stop_is_on_the_tick() -> None:
    assert well_formed(a_stop(target_price="110.5")) == ("pass", "well-formed")
    off = "the target price 110.25 is no multiple of the tick 0.5"
    assert well_formed(a_stop(target_price="110.25")) == ("deny", off)


@pytest.mark.parametrize(("target", "outcome"), [("99.5", "pass"), ("99", "deny"), ("95.5", "deny")])
def test_the_target_of_a_stop_waits_on_the_gaining_side(target: str, outcome: str) -> None:
    said = found("ORDER_TYPE", a_stop(target_price=target))
    why = f"the target {target} is not above the bid of 99: the stop would fire at once"
    assert (said.outcome, said.message) == (outcome, why if outcome == "deny" else "waits on the losing side")


@pytest.mark.parametrize(("target", "outcome"), [("100.5", "pass"), ("101", "deny")])
def test_the_target_of_a_short_positions_stop_waits_below_the_ask(target: str, outcome: str) -> None:
    said = found("ORDER_TYPE", a_short_stop(target_price=target), some_facts(held=SHORT))
    assert said.outcome == outcome


def test_a_policy_that_does_not_list_stops_takes_none_with_an_entry() -> None:
    without = a_policy(order_type={"types": ["limit", "market"], "times_in_force": ["GTC"]})
    said = found("ORDER_TYPE", an_attached(), some_facts(), policy=without)
    assert (said.outcome, said.message) == ("deny", "stop orders are not among limit, market")
    assert found("ORDER_TYPE", a_proposal(), some_facts(), policy=without).outcome == "pass"


def test_the_verdict_and_the_ticket_are_for_the_exits_too() -> None:
    plain, attached = a_proposal(target_price="110"), an_attached()
    assert plain.order().stop_price is None
    assert attached.order().digest != plain.order().digest
    moved = an_attached(stop_price="94")
    assert moved.order().digest != attached.order().digest
