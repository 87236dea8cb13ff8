"""Tickets: issued from an allow, for one order, for a time, by this office."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.policy import NOW, a_policy, a_proposal, judge, some_facts
from domain.decision import Ticket
from domain.errors import TicketRefused, UsageError
from policy import TicketOffice

OFFICE = TicketOffice(b"k" * 32, ttl_s=60)
ORDER = a_proposal().order()
TICKET = OFFICE.issue(judge(), ORDER, now=NOW)


def refusal(ticket: Ticket, **over: object) -> str:
    with pytest.raises(TicketRefused) as raised:
        OFFICE.check(ticket, over.get("order", ORDER), over.get("now", NOW))  # type: ignore[arg-type]
    return str(raised.value)


def test_an_allowed_order_has_a_ticket_bound_to_it() -> None:
    assert TICKET.order_digest == ORDER.digest
    assert TICKET.verdict_digest == judge().digest
    assert TICKET.expires_at - TICKET.issued_at == timedelta(seconds=60)
    OFFICE.check(TICKET, ORDER, NOW)


def test_the_same_verdict_gives_the_same_id_at_any_time() -> None:
    later = OFFICE.issue(judge(), ORDER, now=NOW + timedelta(seconds=5))
    assert later.id == TICKET.id
    assert later.seal != TICKET.seal


@pytest.mark.parametrize("outcome", ["deny", "review"])
def test_only_an_allow_earns_a_ticket(outcome: str) -> None:
    if outcome == "deny":
        verdict = judge(facts=some_facts(trading_state="halted"))
    else:
        verdict = judge(policy=a_policy(conviction={"minimum": "0.5", "review_below": "0.9"}))
    assert verdict.outcome == outcome
    with pytest.raises(TicketRefused, match=outcome):
        OFFICE.issue(verdict, ORDER, now=NOW)


def test_an_allow_of_another_order_earns_no_ticket() -> None:
    with pytest.raises(TicketRefused, match="another order"):
        OFFICE.issue(judge(), a_proposal(quantity="4").order(), now=NOW)


def test_a_ticket_is_good_from_its_issue_until_just_before_its_end() -> None:
    OFFICE.check(TICKET, ORDER, TICKET.expires_at - timedelta(microseconds=1))
    assert "expired" in refusal(TICKET, now=TICKET.expires_at)
    assert "future" in refusal(TICKET, now=NOW - timedelta(microseconds=1))


def test_a_ticket_fits_no_other_order() -> None:
    assert "not for this" in refusal(TICKET, order=ORDER.model_copy(update={"quantity": ORDER.quantity * 2}))
    assert "not for this" in refusal(TICKET, order=a_proposal(quantity="4").order())


@pytest.mark.parametrize(
    "change",
    [
        {"id": "tother"},
        {"client_order_id": "acother"},
        {"order_digest": "0" * 64},
        {"verdict_digest": "0" * 64},
        {"issued_at": NOW - timedelta(days=1)},
        {"expires_at": NOW + timedelta(days=1)},
        {"seal": ""},
        {"seal": "é\ud800"},
        {"id": "\ud800"},
    ],
)
def test_a_ticket_with_any_field_changed_does_not_fit_its_seal(change: dict[str, object]) -> None:
    assert "not issued here" in refusal(TICKET.model_copy(update=change))


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_no_guessed_seal_fits(seal: str) -> None:
    forged = TICKET.model_copy(update={"seal": seal, "expires_at": NOW + timedelta(days=365)})
    assert "not issued here" in refusal(forged)


def test_a_ticket_of_another_office_is_refused() -> None:
    other = TicketOffice(b"o" * 32, ttl_s=60).issue(judge(), ORDER, now=NOW)
    assert "not issued here" in refusal(other)


def test_a_ticket_survives_being_written_down() -> None:
    OFFICE.check(Ticket.model_validate_json(TICKET.model_dump_json()), ORDER, NOW)


@pytest.mark.parametrize(("key", "ttl_s"), [(b"", 60), (b"k" * 31, 60), (b"k" * 32, 0), (b"k" * 32, -1)])
def test_an_office_needs_a_long_key_and_a_positive_time(key: bytes, ttl_s: int) -> None:
    with pytest.raises(UsageError):
        TicketOffice(key, ttl_s=ttl_s)
