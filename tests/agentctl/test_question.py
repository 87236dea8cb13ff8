"""Orders in words, as a person reads them before they answer."""

from __future__ import annotations

import pytest

from agentctl.question import order_in_words
from builders.policy import a_proposal, a_stop, an_exit
from domain.decision import Proposal


@pytest.mark.parametrize(
    ("proposal", "words"),
    [
        (a_proposal(), "buy 5 BTC/USDT at 100 or better, GTC"),
        (a_proposal(post_only=True), "buy 5 BTC/USDT at 100 or better, GTC, post-only"),
        (an_exit(), "sell 5 BTC/USDT at the market, GTC, reduce-only"),
        (a_stop(), "sell 5 BTC/USDT at the market once it trades at 95, GTC, reduce-only"),
    ],
)
def test_the_whole_order_is_told_in_one_line(proposal: Proposal, words: str) -> None:
    assert order_in_words(proposal.order()) == words
