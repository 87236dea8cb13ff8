"""The look between the gate's leave and the send."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders.policy import BTC, NOW, POLICY, a_policy, a_proposal, a_quote, a_stop, an_exit, an_instrument
from policy import Policy
from policy.recheck import moved

JUDGED = a_quote()
"""99 to 101; the test policy lets an entry drift by 100 basis points of the middle, which is 1."""


INSTRUMENTS = {BTC: an_instrument()}


def word(proposal: object = None, *, policy: Policy = POLICY, **seen: object) -> str:
    order = (proposal or a_proposal()).order()  # type: ignore[attr-defined]
    return moved(
        order, judged=JUDGED, quote_now=a_quote(**{"at": NOW, **seen}), now=NOW, policy=policy, instruments=INSTRUMENTS
    )


@pytest.mark.parametrize(("ask", "stands"), [("101", True), ("102", True), ("102.01", False), ("90", True)])
def test_an_entry_stands_while_the_price_has_not_run_away_from_it(ask: str, stands: bool) -> None:
    assert (word(bid="89", ask=ask) == "") == stands


def test_a_sale_is_measured_at_the_bid() -> None:
    sale = a_proposal(side="sell", stop_price="105")
    assert word(sale, bid="98", ask="101") == ""
    assert word(sale, bid="97.99", ask="101") == "the price moved 1.01 against it since it was judged"
    assert word(sale, bid="120", ask="121") == ""


def test_leaving_has_the_whole_collar() -> None:
    assert word(an_exit(), bid="94", ask="101") == ""
    assert word(an_exit(), bid="93.99", ask="101") != ""


def test_without_a_drift_limit_the_collar_binds_entries_too() -> None:
    lax = a_policy(drift={"enabled": False, "maximum_bps": 100})
    assert word(policy=lax, ask="106") == ""
    assert word(policy=lax, ask="106.01") != ""


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"at": NOW - timedelta(seconds=900)}, ""),
        ({"at": NOW - timedelta(seconds=901)}, "the quote is not fresh"),
        ({"at": NOW + timedelta(microseconds=1)}, "the quote is not fresh"),
        ({"bid": "102", "ask": "101"}, "the quote is crossed"),
    ],
)
def test_what_can_not_be_judged_again_is_not_sent(seen: dict[str, object], why: str) -> None:
    said = word(**seen)
    assert said.startswith(why) if why else said == ""


@pytest.mark.parametrize("section", ["market_data", "price_collar"])
def test_a_policy_without_limits_on_prices_sends_nothing(section: str) -> None:
    assert word(policy=POLICY.model_copy(update={section: None})) == "the policy sets no limit on prices"


@pytest.mark.parametrize(("crypto_s", "general_s", "stands"), [(5, 900, False), (900, 5, True)])
def test_the_age_that_binds_is_the_one_that_the_gate_holds_to(crypto_s: int, general_s: int, stands: bool) -> None:
    ages = {"max_age_s": general_s, "max_age_s_of": {"crypto": crypto_s}, "max_jump_bps": 1_000}
    said = word(policy=a_policy(market_data=ages), at=NOW - timedelta(seconds=60))
    assert (said == "") == stands


def test_an_order_in_an_unknown_instrument_is_not_sent() -> None:
    order = a_proposal().order()
    said = moved(order, judged=JUDGED, quote_now=a_quote(at=NOW), now=NOW, policy=POLICY, instruments={})
    assert said == "the instrument BTC/USDT is unknown"


@pytest.mark.parametrize(
    ("bid", "said"),
    [("95.5", ""), ("95", "the market has met its trigger 95"), ("94.5", "the market has met its trigger 95")],
)
def test_a_stop_is_not_sent_once_the_market_has_met_it(bid: str, said: str) -> None:
    assert word(a_stop(), bid=bid, ask="101") == said


@pytest.mark.parametrize(("ask", "said"), [("104.5", ""), ("105", "the market has met its trigger 105")])
def test_a_stop_that_buys_back_is_not_sent_once_the_market_has_met_it(ask: str, said: str) -> None:
    assert word(a_stop(side="buy", trigger_price="105"), bid="99", ask=ask) == said


@pytest.mark.parametrize(
    ("over", "seen", "why"),
    [
        ({}, {"bid": "95.5"}, ""),
        ({}, {"bid": "95"}, "the market has met its stop 95"),
        (
            {"side": "sell", "stop_price": "105", "target_price": "90"},
            {"ask": "105"},
            "the market has met its stop 105",
        ),
        ({"target_price": "100.5"}, {"bid": "100.5"}, "the market has met its target 100.5"),
    ],
)
def test_an_entry_is_not_sent_where_the_market_has_met_the_exits_that_it_brings(
    over: dict[str, object], seen: dict[str, object], why: str
) -> None:
    entry = a_proposal(**({"attached": True, "target_price": "110"} | over))
    assert word(entry, **seen) == why
    watched = entry.model_copy(update={"attached": False})
    assert "met" not in word(watched, **seen), "what the run watches itself is its own to see"


def test_a_stop_is_not_sent_where_the_market_has_met_its_target() -> None:
    assert word(a_stop(target_price="103"), bid="102", ask="104") == ""
    assert word(a_stop(target_price="103"), bid="103", ask="104") == "the market has met its target 103"
