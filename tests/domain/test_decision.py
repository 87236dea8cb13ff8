"""What agents hand to each other, and the one order that a proposal stands for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from builders.policy import a_proposal
from domain.decision import Opinion, Proposal
from domain.digest import canonical
from domain.order import ClientOrderId, OrderRequest


def test_the_order_of_a_proposal_holds_nothing_besides() -> None:
    proposal = a_proposal(rationale="because", target_price="110")
    order = proposal.order()
    shared = set(OrderRequest.model_fields) - {"client_order_id", "stop_price", "target_price", "attached_to"}
    assert {name: getattr(order, name) for name in shared} == {name: getattr(proposal, name) for name in shared}
    assert order.client_order_id == proposal.client_order_id
    assert (order.stop_price, order.target_price, order.attached_to) == (None, None, None)


def test_equal_proposals_have_one_order_id_in_whatever_form_their_numbers_came() -> None:
    assert a_proposal(quantity="5").client_order_id == a_proposal(quantity=Decimal("5.00")).client_order_id


@pytest.mark.parametrize("change", [{"quantity": "6"}, {"side": "sell"}, {"cycle": 2}, {"rationale": "x"}])
def test_another_proposal_has_another_order_id(change: dict[str, object]) -> None:
    assert a_proposal(**change).client_order_id != a_proposal().client_order_id


@settings(max_examples=50)
@given(st.text(), st.integers(0, 10**9))
def test_every_order_id_is_valid_on_every_venue(rationale: str, cycle: int) -> None:
    id_ = a_proposal(rationale=rationale, cycle=cycle).client_order_id
    assert TypeAdapter(ClientOrderId).validate_python(id_) == id_


def test_a_proposal_comes_back_from_its_canonical_form() -> None:
    proposal = a_proposal()
    assert Proposal.model_validate_json(canonical(proposal)) == proposal


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "NaN"},
        {"quantity": "Infinity"},
        {"limit_price": "0"},
        {"stop_price": "-1"},
        {"conviction": "1.01"},
        {"conviction": "-0.01"},
        {"symbol": "btc/usdt"},
        {"side": "long"},
        {"type": "trailing"},
        {"as_of": "2025-01-01T00:00:00"},
        {"leverage": "10"},
    ],
)
def test_a_proposal_refuses_what_it_cannot_mean(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        a_proposal(**change)


@pytest.mark.parametrize("change", [{"limit_price": None}, {"type": "market"}])
def test_a_proposal_at_odds_with_itself_makes_no_order(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="limit"):
        a_proposal(**change).order()


def test_a_proposal_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_proposal().quantity = Decimal(6)


def test_an_opinion_has_no_room_for_a_number_that_reaches_an_order() -> None:
    with pytest.raises(ValidationError):
        Opinion.model_validate({"stance": "buy", "conviction": "0.9", "quantity": "5"})
    with pytest.raises(ValidationError):
        Opinion.model_validate({"stance": "short", "conviction": "0.9"})


def test_a_proposal_without_a_cause_is_written_as_it_was() -> None:
    assert "cause" not in canonical(a_proposal())
    assert '"cause":"thesis"' in canonical(a_proposal(cause="thesis"))
    with pytest.raises(ValidationError):
        a_proposal(cause="a headline")
