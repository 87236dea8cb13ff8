"""The rules analyst judges by the readings that a prompt shows, and by nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.evidence import indicator_item, lesson_item, news_items
from agents.learning import Lesson
from agents.research import brief
from agents.rules import RulesModel, judge, views
from builders.desks import UPTREND, readings, some_news
from builders.tools import BTC, START
from context import ContextBook, ContextItem, Synthesis
from context.tokenizer import Pieces
from domain.decision import Opinion
from domain.value import Value

FEW = hypothesis_settings(max_examples=40)
NAMES = ("adx_14", "plus_di_14", "minus_di_14", "macd_histogram", "atr_14", "rsi_14", "sentiment", "close")
numbers = st.decimals(min_value=-1_000, max_value=1_000, places=4) | st.sampled_from([Decimal(0), Decimal("1e-12")])


class Other(Value):
    number: int


def shown(*items: ContextItem, budget: int = 4_000) -> Synthesis:
    return ContextBook(items=items).synthesize(budget=budget, tokenizer=Pieces(), as_of=START, brief=brief(BTC))


def market(**over: str) -> ContextItem:
    return indicator_item(BTC, readings(**UPTREND | over), as_of=START)


@given(st.dictionaries(st.sampled_from(NAMES), numbers))
def test_every_view_lies_between_minus_one_and_one(given_readings: dict[str, Decimal]) -> None:
    assert all(-1 <= view <= 1 for view in views(given_readings).values())


def test_a_view_needs_its_readings_and_something_to_divide_by() -> None:
    assert views({}) == {}
    assert views({"adx_14": Decimal(40), "plus_di_14": Decimal(0), "minus_di_14": Decimal(0)}) == {}
    assert views({"macd_histogram": Decimal(1), "atr_14": Decimal(0)}) == {}
    assert views({"rsi_14": Decimal(10)}) == {}


def test_a_trend_is_a_buy_that_cites_what_it_read() -> None:
    found = judge(shown(market()))
    assert (found.stance, found.evidence) == ("buy", (f"indicators:{BTC}",))
    assert found.rationale.startswith("momentum +0.80, trend +1.00; total +0.61")


def test_a_mirrored_market_is_judged_the_other_way_with_the_same_conviction() -> None:
    up = judge(shown(market()))
    down = judge(shown(market(plus_di_14="10", minus_di_14="30", macd_histogram="-0.2")))
    assert (down.stance, down.conviction) == ("sell", up.conviction)


def test_a_market_that_says_little_is_a_hold() -> None:
    assert judge(shown(market(plus_di_14="20", minus_di_14="20", macd_histogram="0"))).stance == "hold"


@pytest.mark.parametrize("items", [(), news_items(BTC, some_news(BTC, "to the moon", score="1"))])
def test_without_market_readings_it_abstains(items: tuple[ContextItem, ...]) -> None:
    found = judge(shown(*items))
    assert (found.stance, found.conviction) == ("abstain", 0)


def test_what_was_left_out_of_the_prompt_it_does_not_know() -> None:
    floor = shown().tokens.used
    assert judge(shown(market(), budget=floor + 5)).stance == "abstain"


@pytest.mark.parametrize(("won", "trades", "stance"), [("0.20", 4, "hold"), ("0.20", 3, "buy"), ("0.34", 20, "buy")])
def test_losing_trades_make_it_twice_as_careful(won: str, trades: int, stance: str) -> None:
    learned = Lesson(symbol=BTC, closed_trades=trades, win_rate=Decimal(won), expectancy_bps=Decimal(-5))
    weak = market(plus_di_14="24", minus_di_14="20", macd_histogram="0.1")
    assert judge(shown(weak)).stance == "buy"
    assert judge(shown(weak, lesson_item(learned, as_of=START))).stance == stance


@FEW
@given(st.dictionaries(st.sampled_from(sorted({*UPTREND, "atr_14"})), st.integers(0, 100).map(str)))
def test_any_readings_give_an_opinion_within_its_bounds(over: dict[str, str]) -> None:
    found = judge(shown(market(**over)))
    assert found.conviction <= Decimal("0.95")
    assert found.stance != "abstain" or found.conviction == 0


@FEW
@given(st.text(max_size=100))
async def test_the_words_of_a_headline_change_nothing_only_its_tone_does(words: str) -> None:
    model = RulesModel()
    plain = await model.ask(shown(market(), *news_items(BTC, some_news(BTC, "x"))), Opinion)
    loud = await model.ask(shown(market(), *news_items(BTC, some_news(BTC, words))), Opinion)
    assert plain.answer == loud.answer


async def test_a_form_that_it_cannot_fill_is_a_failure() -> None:
    found = await RulesModel().ask(shown(market()), Other)
    assert (found.answer, found.failure) == (None, "schema: the rules analyst can't answer Other")
