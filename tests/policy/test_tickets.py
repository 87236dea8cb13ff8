"""Tickets: issued from an allow, for one order, for a time, by this office."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.liars import AnyText, LyingOrder, LyingTicket, QuietDecimal
from builders.policy import BTC, ETH, NOW, POLICY, a_policy, a_proposal, judge, some_facts
from domain.decision import Proposal, Ticket
from domain.digest import canonical
from domain.errors import TicketRefused, UsageError
from domain.order import OrderRequest
from policy import CHECKS, Facts, PolicyEngine, TicketOffice, Verdict
from policy.check import check
from policy.ruling import passed

OFFICE = TicketOffice(b"k" * 32, ttl_s=60)
ENGINE = PolicyEngine(POLICY)
ORDER = a_proposal().order()


def a_ticket(office: TicketOffice = OFFICE, **over: Any) -> Ticket:
    verdict, ticket = office.judge(a_proposal(**over), some_facts(), engine=ENGINE)
    assert verdict == judge(a_proposal(**over))
    assert ticket is not None
    return ticket


TICKET = a_ticket()


def refusal(ticket: Any, **over: object) -> str:
    with pytest.raises(TicketRefused) as raised:
        OFFICE.check(ticket, over.get("order", ORDER), over.get("now", NOW))  # type: ignore[arg-type]
    return str(raised.value)


def test_an_allowed_order_has_a_ticket_bound_to_it() -> None:
    assert TICKET.order_digest == ORDER.digest
    assert TICKET.verdict_digest == judge().digest
    assert TICKET.expires_at - TICKET.issued_at == timedelta(seconds=60)
    assert OFFICE.check(TICKET, ORDER, NOW) == (ORDER, TICKET)


def test_what_may_be_sent_are_copies_that_nobody_else_holds() -> None:
    order, ticket = a_proposal().order(), TICKET.model_copy()
    copies = OFFICE.check(ticket, order, NOW)
    object.__setattr__(order, "quantity", Decimal(500))
    object.__setattr__(ticket, "id", "tother")
    assert copies == (ORDER, TICKET)


def test_the_same_verdict_gives_the_same_id_and_another_one_another() -> None:
    assert a_ticket() == TICKET
    assert a_ticket(TicketOffice(b"k" * 32, ttl_s=61)).id == TICKET.id
    assert a_ticket(quantity="4").id != TICKET.id


@pytest.mark.parametrize("outcome", ["deny", "review"])
def test_only_an_allow_earns_a_ticket(outcome: str) -> None:
    facts = some_facts(trading_state="halted" if outcome == "deny" else "active")
    policy = a_policy(conviction={"minimum": "0.5", "review_below": "0.9"}) if outcome == "review" else POLICY
    verdict, ticket = OFFICE.judge(a_proposal(), facts, engine=PolicyEngine(policy))
    assert (verdict.outcome, ticket) == (outcome, None)
    assert verdict == judge(facts=facts, policy=policy)


class Yes(PolicyEngine):
    """Allows everything."""

    def evaluate(self, proposal: Proposal, facts: Facts) -> Verdict:
        return judge().model_copy(update={"client_order_id": proposal.client_order_id})


def test_no_ticket_is_issued_on_the_word_of_another_engine() -> None:
    """Nor can a verdict be handed in that somebody made: the office has it judged."""
    halted = some_facts(trading_state="halted")
    for engine in (Yes(POLICY), PolicyEngine(POLICY, checks=CHECKS[1:]), None, judge()):
        with pytest.raises(TicketRefused, match="the engine is not the gate's own"):
            OFFICE.judge(a_proposal(), halted, engine=engine)  # type: ignore[arg-type]
    patched = PolicyEngine(POLICY)
    patched.evaluate = lambda proposal, facts: judge()  # type: ignore[method-assign]
    assert OFFICE.judge(a_proposal(), halted, engine=patched).ticket is None
    more = PolicyEngine(POLICY, checks=[*CHECKS, check(code="ODD", source="a test")(lambda case: passed("odd"))])
    assert OFFICE.judge(a_proposal(), some_facts(), engine=more).ticket is not None


def test_a_ticket_is_good_from_its_issue_until_just_before_its_end() -> None:
    OFFICE.check(TICKET, ORDER, TICKET.expires_at - timedelta(microseconds=1))
    assert "expired" in refusal(TICKET, now=TICKET.expires_at)
    assert "future" in refusal(TICKET, now=NOW - timedelta(microseconds=1))


def test_a_ticket_fits_no_other_order() -> None:
    grown = ORDER.model_copy(update={"quantity": ORDER.quantity * 2})
    words = f"the ticket is for another order: order_digest is {grown.digest}, and the ticket's is {ORDER.digest}"
    assert refusal(TICKET, order=grown) == words
    other = a_proposal(quantity="4").order()
    assert f"client_order_id is {other.client_order_id}, and the ticket's is {ORDER.client_order_id}" in refusal(
        TICKET, order=other
    )


@pytest.mark.parametrize(
    "change",
    [
        {"id": "tother"},
        {"verdict_digest": "0" * 64},
        {"issued_at": NOW - timedelta(days=1)},
        {"expires_at": NOW + timedelta(days=1)},
        {"seal": ""},
        {"seal": "é"},
    ],
)
def test_a_ticket_with_any_field_changed_does_not_fit_its_seal(change: dict[str, object]) -> None:
    assert "not issued here" in refusal(TICKET.model_copy(update=change))


@pytest.mark.parametrize("change", [{"seal": "é\ud800"}, {"id": "\ud800"}, {"id": ""}, {"expires_at": None}])
def test_what_no_ticket_can_be_is_none(change: dict[str, object]) -> None:
    assert refusal(TICKET.model_copy(update=change))


@pytest.mark.parametrize("ticket", [None, "ticket", object(), ORDER, LyingTicket.model_validate(TICKET.model_dump())])
def test_what_is_no_ticket_is_refused(ticket: object) -> None:
    assert "this is no ticket for" in refusal(ticket)


class Sure(Proposal):
    """A proposal of another class."""


SURE, SIDELESS = Sure.model_validate(a_proposal().model_dump()), a_proposal().model_copy(update={"side": 0})


@pytest.mark.parametrize("proposal", [None, ORDER, SURE, SIDELESS])
def test_no_ticket_is_issued_for_what_is_no_proposal(proposal: Any) -> None:
    verdict, ticket = OFFICE.judge(proposal, some_facts(), engine=ENGINE)
    assert (verdict.outcome, ticket) == ("deny", None)


# Whatever is done to an order or a ticket, nothing but the exact judged order comes out of the door.

_ANYTHING: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=8),
    st.decimals(),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(["buy", "sell", "market", "limit", "stop", "GTC", "IOC", "FOK", BTC, ETH, "acother", "0" * 64]),
    st.sampled_from([ORDER.digest, ORDER.client_order_id, TICKET.id, TICKET.seal, NOW, Decimal(5), Decimal(500)]),
    st.sampled_from([object(), AnyText(ORDER.digest), AnyText(BTC), AnyText("buy"), QuietDecimal(35), {}, [], ()]),
)
_WAYS = ("set", "dict", "copy", "construct", "subclass")


def _mutated(value: Any, changes: dict[str, object], way: str, liar: type[Any]) -> Any:
    victim = value.model_copy()
    assert canonical(victim)  # its digest is remembered
    if way == "set":
        for name, change in changes.items():
            object.__setattr__(victim, name, change)
        return victim
    if way == "dict":
        victim.__dict__.update(changes)
        return victim
    if way == "copy":
        return victim.model_copy(update=changes)
    kind = liar if way == "subclass" else type(value)
    return kind.model_construct(**{**victim.__dict__, **changes})


def _changes(kind: type[Any]) -> st.SearchStrategy[dict[str, object]]:
    names = st.sampled_from(sorted(kind.model_fields))
    return st.dictionaries(names, _ANYTHING, max_size=3)


@settings(max_examples=400)
@given(_changes(OrderRequest), _changes(Ticket), st.sampled_from(_WAYS), st.sampled_from(_WAYS))
def test_nothing_but_the_exact_judged_order_is_ever_let_out(
    in_order: dict[str, object], in_ticket: dict[str, object], way: str, other_way: str
) -> None:
    order = _mutated(ORDER, in_order, way, LyingOrder)
    ticket = _mutated(TICKET, in_ticket, other_way, LyingTicket)
    try:
        sent, used = OFFICE.check(ticket, order, NOW)
    except TicketRefused:
        return
    assert (canonical(sent), canonical(used)) == (canonical(ORDER), canonical(TICKET))
    assert (type(sent), type(used)) == (OrderRequest, Ticket)
    assert [type(value) for _, value in sent] == [type(value) for _, value in ORDER]


@settings(max_examples=50)
@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_no_guessed_seal_fits(seal: str) -> None:
    forged = TICKET.model_copy(update={"seal": seal, "expires_at": NOW + timedelta(days=365)})
    assert "not issued here" in refusal(forged)


def test_a_ticket_of_another_office_is_refused() -> None:
    other = a_ticket(TicketOffice(b"o" * 32, ttl_s=60))
    assert "not issued here" in refusal(other)


def test_a_ticket_survives_being_written_down() -> None:
    OFFICE.check(Ticket.model_validate_json(TICKET.model_dump_json()), ORDER, NOW)


@pytest.mark.parametrize(("key", "ttl_s"), [(b"", 60), (b"k" * 31, 60), (b"k" * 32, 0), (b"k" * 32, -1)])
def test_an_office_needs_a_long_key_and_a_positive_time(key: bytes, ttl_s: int) -> None:
    with pytest.raises(UsageError):
        TicketOffice(key, ttl_s=ttl_s)
