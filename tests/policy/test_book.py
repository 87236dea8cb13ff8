"""What positions and working orders come to: small amounts, several orders in a symbol, and prices that are missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

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
    some_facts,
    working,
)
from domain.order import OrderState
from domain.portfolio import Position
from policy import PolicyEngine, TicketOffice, WorkingOrder
from policy.account import EquityMarks
from policy.book import Book
from policy.case import Case
from policy.correlation import movement
from policy.escalation import escalation, size_factor
from policy.recheck import moved
from policy.ruling import FactMissing
from policy.used import Used, loss_from


def book(**world: object) -> Book:
    return Book(some_facts(**world), policy=POLICY)


def test_a_holding_worth_less_than_one_is_held_long() -> None:
    assert book(held={BTC: "0.005"}).sides == ({BTC: Decimal("0.5")}, {})


def test_working_sales_weigh_on_the_short_side() -> None:
    sale = working(side="sell", limit_price="110", stop_price="120", remaining="2")
    assert book(held={BTC: "3"}, working=[sale]).sides == ({BTC: 300}, {BTC: 220})


def test_all_orders_in_a_symbol_widen_what_it_may_come_to_be_worth() -> None:
    orders = [
        working(client_order_id="aca", remaining="1"),
        working(client_order_id="acb", remaining="2"),
        working(client_order_id="acc", side="sell", limit_price="101", remaining="1"),
        working(client_order_id="acd", side="sell", limit_price="101", remaining="1"),
    ]
    assert book(held={BTC: "4"}, working=orders).worth_ranges == {BTC: (400 - 202, 400 + 300)}


@pytest.mark.parametrize(("held", "side", "least", "most"), [("0.5", "sell", "0", "50"), ("-0.5", "buy", "-50", "0")])
def test_working_exits_take_together_at_most_what_is_held(held: str, side: str, least: str, most: str) -> None:
    exits = [
        working(client_order_id=name, side=side, remaining="0.25", limit_price=None, stop_price=None, reduce_only=True)
        for name in ("aca", "acb")
    ]
    assert book(held={SWAP: held}, working=[]).worth_ranges == {SWAP: (Decimal(held) * 100,) * 2}
    there = [order.model_copy(update={"symbol": SWAP}) for order in exits]
    assert book(held={SWAP: held}, working=there).worth_ranges == {SWAP: (Decimal(least), Decimal(most))}


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_exit_from_nothing_is_worth_nothing(side: str) -> None:
    stray = working(side=side, reduce_only=True, stop_price=None)
    assert book(working=[stray]).worth_ranges == {}


def test_spot_on_order_is_not_on_margin() -> None:
    found = finding(judge(facts=some_facts(working=[working(symbol=ETH)])), "LEVERAGE")
    assert found.observed == 0


@pytest.mark.parametrize(
    ("held", "risk"), [({BTC: "0.5"}, "2.5"), ({SWAP: "-2"}, "10"), ({BTC: "2", ETH: "3", SWAP: "-1"}, "30")]
)
def test_the_risk_of_all_positions_is_to_their_stops(held: dict[str, str], risk: str) -> None:
    assert book(held=held).risk == Decimal(risk)
    orders = [working(client_order_id=name, symbol=ETH, remaining="2") for name in ("aca", "acb")]
    assert book(held=held, working=orders).risk == Decimal(risk) + 20


def test_an_order_without_a_quote_counts_at_the_mark_price() -> None:
    sale = working(symbol=ETH, side="sell", limit_price=None, stop_price="105")
    world = book(quotes={BTC: a_quote()}, working=[sale])
    assert world.ask(ETH) == 100
    assert world.risk == 5


def test_a_sale_above_the_market_counts_at_its_limit() -> None:
    assert book().valued_at(working(side="sell", limit_price="120"), ask=Decimal(101)) == 120
    assert book().valued_at(working(side="sell", limit_price="90"), ask=Decimal(101)) == 101


@pytest.mark.parametrize(
    ("held", "exit_side", "outcome"), [("0.5", "sell", "pass"), ("0.5", "buy", "deny"), ("-0.5", "sell", "deny")]
)
def test_reducing_less_than_one_is_reducing_and_adding_to_it_is_not(held: str, exit_side: str, outcome: str) -> None:
    leaving = an_exit(symbol=SWAP, side=exit_side, quantity="0.25")
    found = finding(judge(leaving, some_facts(held={SWAP: held})), "REDUCE_ONLY")
    assert found.outcome == outcome
    assert (found.message == "the order would enlarge the position") == (outcome == "deny")


def test_a_persons_leave_ends_at_the_moment_that_it_says() -> None:
    proposal = a_proposal(conviction="0.1")
    leave = consent_to(proposal, "CONVICTION", expires_at=NOW)
    later = leave.model_copy(update={"expires_at": NOW + timedelta(microseconds=1)})
    assert finding(judge(proposal, some_facts(consents=[leave])), "CONVICTION").outcome == "deny"
    assert finding(judge(proposal, some_facts(consents=[later])), "CONVICTION").outcome == "warn"
    assert leave.digest != later.digest


def test_a_sale_of_spot_takes_no_cash() -> None:
    sale = a_proposal(side="sell", stop_price="105")
    assert finding(judge(sale, some_facts(held={BTC: "9"})), "CASH").observed == 0


def test_an_age_is_exact_however_long_ago() -> None:
    case = Case(a_proposal(), some_facts(), policy=POLICY)
    long_ago = datetime(1, 1, 1, microsecond=1, tzinfo=UTC)
    assert case.age_s(long_ago) == (NOW - long_ago).days * 86_400 + (NOW - long_ago).seconds + Decimal("0.999999")


def test_what_makes_no_order_is_still_compared_with_what_was_sent() -> None:
    broken = a_proposal(limit_price=None)
    assert finding(judge(broken), "DUPLICATE").message == "no order like it"
    assert judge(broken).outcome == "deny"


def test_the_least_notional_is_counted_at_the_price_that_is_stated() -> None:
    world = some_facts(instruments={BTC: an_instrument(min_notional="450")})
    assert finding(judge(a_proposal(), world), "WELL_FORMED").outcome == "pass"
    assert finding(judge(a_proposal(limit_price="80"), world), "WELL_FORMED").outcome == "deny"


def test_a_buy_that_reduces_surely_meets_only_what_it_reaches() -> None:
    leaving = an_exit(symbol=SWAP, side="buy", type="limit", limit_price="100")
    ours = working(symbol=SWAP, side="sell", limit_price="100.5", stop_price=None, reduce_only=True)
    facts = some_facts(held={SWAP: "-5"}, working=[ours])
    assert finding(judge(leaving, facts), "SELF_TRADE").outcome == "pass"


def test_a_part_as_large_is_not_larger() -> None:
    assert not Used(Decimal(1), Decimal(2)).exceeds(Used(Decimal(2), Decimal(4)))
    assert Used(Decimal(1), Decimal(2)).exceeds(Used(Decimal(1), Decimal(4)))


def test_a_loss_is_counted_from_a_mark_of_one_and_less() -> None:
    assert loss_from(Decimal("0.5"), Decimal(0), share=Decimal("0.1"), called="it") == (Decimal("0.5"), Decimal("0.05"))


def test_a_weekly_limit_that_is_off_leaves_the_drawdown_counted() -> None:
    policy = a_policy(
        weekly_loss={"share_of_week_start": "0.05", "enabled": False},
        escalation={"alert_at": "0.7", "halve_at": "0.9", "flatten_at": "1"},
    )
    marks = EquityMarks(day_start=Decimal(9_100), week_start=Decimal(10_000), high=Decimal(10_000))
    assert escalation(policy, marks, Decimal(9_100)).code == "DRAWDOWN"


def test_the_callers_decimal_context_changes_neither_size_nor_escalation() -> None:
    policy = a_policy(
        drawdown={"share_of_high": "0.123456", "sizes_fall_from": "0.5"},
        escalation={"alert_at": "0.7", "halve_at": "0.9", "flatten_at": "1"},
    )
    marks = EquityMarks(day_start=Decimal("10000.01"), week_start=Decimal("10000.01"), high=Decimal("10000.01"))
    equity = Decimal("9123.456")
    plain = size_factor(policy, marks, equity), escalation(policy, marks, equity)
    with localcontext(prec=2):
        assert (size_factor(policy, marks, equity), escalation(policy, marks, equity)) == plain


@pytest.mark.parametrize(
    ("first", "second", "moves"),
    [
        ((1, 2, 3, 4), (4, 3, 2, 1), "opposed"),
        ((1, 2, 3, 4), (2, 4, 6, 8), "together"),
        ((1, -1, 1, -1), (1, 1, -1, -1), "apart"),
    ],
)
def test_series_are_compared_around_their_own_means(
    first: tuple[int, ...], second: tuple[int, ...], moves: str
) -> None:
    assert movement(first, second, threshold=Decimal("0.5"), minimum=4) == moves


def test_at_a_threshold_of_nothing_what_does_not_correlate_is_one_bet() -> None:
    assert movement((1, -1, 1, -1), (1, 1, -1, -1), threshold=Decimal(0), minimum=4) == "together"


@pytest.mark.parametrize(("ahead_us", "stands"), [(0, True), (1, False)])
def test_a_quote_may_not_be_ahead_when_an_order_is_sent(ahead_us: int, stands: bool) -> None:
    seen = a_quote(at=NOW + timedelta(microseconds=ahead_us))
    word = moved(
        a_proposal().order(),
        judged=a_quote(),
        quote_now=seen,
        now=NOW,
        policy=POLICY,
        instruments={BTC: an_instrument()},
    )
    assert (word == "") == stands


def test_an_order_is_sent_into_a_market_whose_sides_meet() -> None:
    locked = a_quote(bid="101", ask="101", at=NOW)
    assert (
        moved(
            a_proposal().order(),
            judged=a_quote(),
            quote_now=locked,
            now=NOW,
            policy=POLICY,
            instruments={BTC: an_instrument()},
        )
        == ""
    )


def test_a_ticket_may_live_for_one_second() -> None:
    _, ticket = TicketOffice(b"k" * 32, ttl_s=1).judge(a_proposal(), some_facts(), engine=PolicyEngine(POLICY))
    assert ticket is not None
    assert ticket.expires_at == NOW + timedelta(seconds=1)


def test_a_working_order_keeps_its_price_and_what_it_is_for() -> None:
    order = an_exit(type="limit", limit_price="101").order()
    kept = WorkingOrder.of(order, state=OrderState.WORKING, filled=Decimal(2))
    assert (kept.limit_price, kept.reduce_only, kept.remaining) == (Decimal(101), True, 3)


def held_with_stop(quantity: str, stop_price: str | None) -> Book:
    position = Position(
        symbol=SWAP,
        quantity=Decimal(quantity),
        cost=Decimal(quantity) * 100,
        stop_price=None if stop_price is None else Decimal(stop_price),
    )
    return book(portfolio=a_portfolio(positions={SWAP: position}))


@pytest.mark.parametrize(
    ("quantity", "stop_price", "risk"),
    [("2", "105", 0), ("-2", "95", 0), ("2", "100", 0), ("2", "90", 20), ("-2", "110", 20), ("2", None, 200)],
)
def test_a_stop_beyond_the_mark_leaves_no_risk_and_none_leaves_all(
    quantity: str, stop_price: str | None, risk: int
) -> None:
    assert held_with_stop(quantity, stop_price).risk == risk


def test_a_short_without_a_stop_has_no_risk_that_could_be_told() -> None:
    with pytest.raises(FactMissing, match="any amount"):
        assert held_with_stop("-2", None).risk


def test_facts_about_a_proposal_keep_what_bears_on_its_symbols_and_its_own_leave() -> None:
    proposal, other = a_proposal(), a_proposal(cycle=2)
    leaves = [consent_to(each, "CONVICTION") for each in (proposal, other)]
    facts = some_facts(
        held={ETH: "1"},
        suspended=[BTC, ETH, SWAP],
        sessions=dict.fromkeys((BTC, ETH, SWAP), "open"),
        deltas=dict.fromkeys((BTC, ETH, SWAP), "0.5"),
        consents=leaves,
    )
    about = facts.about(proposal)
    assert about.suspended == {BTC, ETH}
    assert set(about.sessions) == set(about.deltas) == set(about.instruments) == {BTC, ETH}
    assert about.consents == (leaves[0],)


def test_one_picture_judges_each_symbol_by_its_own_others() -> None:
    facts, engine = some_facts(held={ETH: "5", SWAP: "2"}), PolicyEngine(POLICY)
    for symbol in (BTC, ETH):
        proposal = a_proposal(symbol=symbol)
        assert engine.evaluate(proposal, facts) == judge(proposal, facts.model_copy())


def test_a_case_without_a_book_counts_by_its_own_facts_and_policy() -> None:
    policy = a_policy(pricing={"market_slippage_bps": 100})
    case = Case(a_proposal(type="market", limit_price=None), some_facts(), policy=policy)
    assert (case.equity, case.worst_price) == (10_000, Decimal("102.01"))


def test_a_missing_daily_limit_leaves_the_drawdown_counted() -> None:
    policy = a_policy(daily_loss=None, escalation={"alert_at": "0.7", "halve_at": "0.9", "flatten_at": "1"})
    marks = EquityMarks(day_start=Decimal(10_000), week_start=Decimal(9_100), high=Decimal(10_000))
    found = escalation(policy, marks, Decimal(9_100))
    assert (found.code, found.reason) == ("DRAWDOWN", "the policy sets no limit for DAILY_LOSS")


def test_facts_without_a_portfolio_are_still_about_the_proposals_symbol() -> None:
    assert some_facts(portfolio=None).about(a_proposal()).universe == (BTC,)


def test_what_is_kept_keeps_its_docstring() -> None:
    assert vars(Book)["sides"].__doc__.startswith("By symbol: what is held long")
