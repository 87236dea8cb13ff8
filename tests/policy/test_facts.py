"""Facts: one consistent picture, narrowed to what a verdict needs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from builders.policy import BTC, ETH, SWAP, a_proposal, a_quote, an_exit, an_instrument, judge, some_facts, working
from domain.digest import canonical
from domain.order import OrderState
from policy import Facts, WorkingOrder


def test_a_key_that_does_not_fit_its_value_is_refused() -> None:
    with pytest.raises(ValidationError, match="is of ETH/USDT"):
        some_facts(quotes={BTC: a_quote(ETH)})
    with pytest.raises(ValidationError, match="is of ETH/USDT"):
        some_facts(instruments={BTC: an_instrument(ETH)})


def test_facts_come_back_from_their_canonical_form() -> None:
    facts = some_facts(held={BTC: "2"}, working=[working()])
    again = Facts.model_validate_json(canonical(facts))
    assert again.digest == facts.digest
    assert judge(facts=again).digest == judge(facts=facts).digest


def test_facts_about_a_proposal_hold_its_symbol_and_those_of_working_orders() -> None:
    about = some_facts(working=[working(symbol=ETH)]).about(a_proposal())
    assert set(about.bars) == {BTC, ETH}
    assert set(about.support) == {BTC}
    assert set(about.quotes) == set(about.instruments) == set(about.universe) == {BTC, ETH}
    assert SWAP not in canonical(some_facts().about(a_proposal()).instruments)


def test_facts_about_a_proposal_hold_where_its_own_stop_stands_and_its_own_signals() -> None:
    about = some_facts(stops={BTC: "96", ETH: "97"}, working=[working(symbol=ETH)]).about(a_proposal())
    assert about.stops == {BTC: Decimal(96)}
    assert set(about.venue_signals) == {BTC}
    assert "stops" not in canonical(some_facts())


def test_facts_about_a_proposal_are_small() -> None:
    facts = some_facts(held={f"C{n}/USDT": "1.5" for n in range(5)}, working=[working(), working(symbol=ETH)])
    assert len(canonical(facts.about(a_proposal()))) < 3_000


def test_a_proposal_does_not_stand_in_its_own_way() -> None:
    proposal = a_proposal()
    booked = some_facts().after(proposal)
    assert (booked.about(proposal).working, booked.about(proposal).sent) == ((), ())
    other = booked.about(a_proposal(quantity="4"))
    assert (len(other.working), len(other.sent)) == (1, 1)


def test_an_order_let_through_counts_for_the_next() -> None:
    first = a_proposal(quantity="10")
    facts = some_facts()
    assert judge(first, facts).outcome == "allow"
    then = facts.after(first)
    assert [r.split(":")[0] for r in judge(a_proposal(quantity="5.25"), then).reasons] == ["POSITION"]
    assert then.working[0].stop_price == first.stop_price


def test_a_stop_is_gone_for_the_next_only_where_the_order_let_through_replaces_it() -> None:
    stop = working(client_order_id="acstop", side="sell", trigger_price="95", limit_price=None, reduce_only=True)
    plain = working(client_order_id="acother")
    facts = some_facts(held={BTC: "5"}, working=[stop, plain])
    kept = facts.after(an_exit(quantity="1")).working
    assert [order.client_order_id for order in kept[:2]] == ["acstop", "acother"]
    left = facts.after(an_exit(quantity="1", releases=("acstop", "acother"))).working
    assert [order.client_order_id for order in left[:-1]] == ["acother"]


def test_a_working_order_is_what_is_left_of_it() -> None:
    order = a_proposal().order()
    assert WorkingOrder.of(order, state=OrderState.PARTIAL, filled=Decimal(2)).remaining == 3
    with pytest.raises(ValidationError):
        WorkingOrder.of(order, state=OrderState.PARTIAL, filled=order.quantity)
