from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, a_headline, an_item
from builders.work import calls
from context import DEFAULT_LANES, ContextBook, ContextItem, Lane, LaneSettings, Pieces, Synthesis, Utf8Bytes
from context.duplicates import raised, story

STORY = "Bitcoin slides below 90,000 dollars as ETF outflows mount"


def same(left: str, right: str) -> bool:
    return story(a_headline("a", left, source="Reuters")) == story(a_headline("b", right, source="Reuters"))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (STORY, "BREAKING: Bitcoin slides below 90,000 dollars as ETF outflows mount!"),
        (STORY, "Bitcoin slides below 90,000 dollars amid ETF outflows mounting - Reuters"),
        (STORY, "Bitcoin is sliding below 90000 dollars on ETF outflows mounting"),
        (STORY, "🚨 Bitcoin slides sharply below 90,000 dollars as ETF outflows mount"),
        ("Binance’s reserves fall", "Binance's reserves fall"),
        ("Bitcoin fällt um −5 %", "Bitcoin fällt um -5%"),
        ("比特币价格下跌百分之五", "比特币价格，下跌百分之五。"),
        ("बिटकॉइन गिरा।", "बिटकॉइन गिरा"),
        ("🚀🚀🚀", "🚀 🚀 🚀!"),
        ("...", "..."),
        ("Breaking news", "breaking news"),
    ],
)
def test_one_story_with_other_fillers_endings_and_punctuation_is_one_story(left: str, right: str) -> None:
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (STORY, STORY.replace("90,000", "80,000")),
        (STORY, STORY.replace("slides", "rallies")),
        (STORY, STORY.replace("Bitcoin", "Ether")),
        (STORY, f"{STORY}, hoax"),
        (STORY, f"{STORY}?"),
        ("Binance sues Coinbase over fees in New York", "Coinbase sues Binance over fees in New York"),
        ("Binance sues Coinbase", "Binance sued by Coinbase"),
        ("Binance sues over fees", "Binance sued over fees"),
        ("Whale moves 500 BTC from Binance to Kraken", "Whale moves 500 BTC to Binance from Kraken"),
        ("Bitcoin falls after the decision of the Fed", "Bitcoin falls ahead of the decision of the Fed"),
        ("Bitcoin rises from 90000 to 100000 dollars", "Bitcoin rises from 100000 to 90000 dollars"),
        ("Bitcoin moves 5% on the day", "Bitcoin moves $5 on the day"),
        ("Bitcoin moves 5% on the day", "Bitcoin moves +5k on the day"),
        ("Bitcoin moves 5% on the day", "Bitcoin moves 5 on the day"),
        ("Bitcoin -5% on the day in Asia trading", "Bitcoin +5% on the day in Asia trading"),
        ("Bitcoin ▲5% on the day", "Bitcoin ▼5% on the day"),
        ("Bitcoin fällt um 1,5 %", "Bitcoin fällt um 15 %"),
        ("SEC rule bans staking", "Court overturns: SEC rule bans staking"),
        ("SEC approves ETF", "SEC approves ETF rejected"),
        ("The SEC approves the spot fund today", "The SEC approves not the spot fund today"),
        ("Exchange halts all withdrawals after an attack", "Exchange may halt all withdrawals after an attack"),
        ("Rates cut", "Rates cut again"),
        ("The fund won't list on the exchange", "The fund will list on the exchange"),
        ("比特币价格上涨", "比特币价格下跌"),
        ("उसकी जीत", "उसका जीत"),
        ("🚀🚀🚀", "📉📉📉"),
    ],
)
def test_another_word_order_number_unit_negation_or_doubt_is_another_story(left: str, right: str) -> None:
    assert not same(left, right)


def test_readings_and_rules_never_stand_for_one_another() -> None:
    assert story(an_item(readings={"rsi": Decimal(30)})) is None
    assert story(an_item(kind="constraint")) is None


def test_symbols_keep_stories_apart() -> None:
    btc = a_headline("a", STORY, tags=("lane:news-sentiment", "symbol:BTC/USDT"))
    eth = a_headline("b", STORY, tags=("lane:news-sentiment", "symbol:ETH/USDT"))
    assert story(btc) != story(eth)


def five_feeds() -> list[ContextItem]:
    return [
        a_headline(
            f"news-{feed}",
            f"{STORY} - {feed}",
            source=feed,
            confidence=Decimal("0.5"),
            available_at=NOON - timedelta(minutes=number),
        )
        for number, feed in enumerate(["Alpha", "Beta", "Gamma", "Delta", "Epsilon"])
    ]


def synthesis(items: list[ContextItem], *, budget: int = 2_000, lanes: LaneSettings = DEFAULT_LANES) -> Synthesis:
    return ContextBook(lanes, items=items).synthesize(budget=budget, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)


def test_the_same_story_from_five_feeds_takes_one_place_and_names_it() -> None:
    made = synthesis(five_feeds())
    assert [one.item.id for one in made.selected] == ["news-Alpha"]
    assert {(one.reason, one.instead) for one in made.dropped} == {("duplicate", "news-Alpha")}
    assert len(made.dropped) == 4


def test_a_retold_story_scores_more_than_a_story_told_once() -> None:
    assert synthesis(five_feeds()).selected[0].score > synthesis(five_feeds()[:1]).selected[0].score


def test_one_feed_that_repeats_itself_raises_nothing() -> None:
    once = five_feeds()[0]
    repeated = [once, *(a_headline(f"again-{n}", once.text, source=once.source, confidence="0.5") for n in range(4))]
    assert synthesis(repeated).selected[0].score == synthesis([once]).selected[0].score


def test_what_is_not_yet_available_confirms_nothing() -> None:
    feeds = five_feeds()
    early = [feeds[0], *(feed.model_copy(update={"available_at": NOON + timedelta(seconds=1)}) for feed in feeds[1:])]
    assert synthesis(early).selected == synthesis(feeds[:1]).selected


def test_a_pinned_telling_is_never_folded() -> None:
    pinned = [feed.model_copy(update={"pinned": True}) for feed in five_feeds()]
    assert len(synthesis(pinned).selected) == 5


def test_which_telling_stands_does_not_depend_on_the_order_of_arrival() -> None:
    digests = {synthesis(list(order)).digest for order in permutations(five_feeds())}
    assert len(digests) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 9))
def test_more_sources_never_lower_confidence_nor_make_it_more_than_certain(told: list[float], sources: int) -> None:
    assert max(told) <= raised(told, sources=1) + 1e-12
    assert raised(told, sources=sources) <= raised(told, sources=sources + 1) <= 1


def test_two_sources_leave_four_fifths_of_the_doubt() -> None:
    assert raised([0.5, 0.2], sources=2) == pytest.approx(0.6)


def retold(made: Synthesis) -> dict[str, str]:
    return {one.item_id: one.instead for one in made.dropped if one.reason == "duplicate"}


@pytest.mark.parametrize("trust", ["venue", "own"])
def test_a_feed_neither_replaces_nor_confirms_what_is_trusted_more(trust: str) -> None:
    said = an_item("said", text=STORY, trust=trust, tags=("lane:news-sentiment",), priority="p3", confidence="0.5")
    loud = a_headline("loud", STORY, priority="p0", severity="critical", source="blog")
    both = {one.item.id: one.score for one in synthesis([said, loud]).selected}
    assert both["said"] == synthesis([said]).selected[0].score
    assert both.keys() == {"said", "loud"}


def a_long_and_a_short_telling(**over: Any) -> list[ContextItem]:
    fillers = "as it is now that the latest update has just been breaking today " * 6
    return [
        a_headline("long", f"{STORY} {fillers}", severity="critical", **over),
        a_headline("short", STORY, source="wire", **over),
    ]


def test_a_telling_that_fits_stands_in_for_a_better_one_that_does_not() -> None:
    tellings = a_long_and_a_short_telling()
    assert [one.item.id for one in synthesis(tellings).selected] == ["long"]
    enough = synthesis(tellings[1:]).tokens.used
    tight = synthesis(tellings, budget=enough)
    assert [one.item.id for one in tight.selected] == ["short"]
    assert retold(tight) == {"long": "short"}
    none = synthesis(tellings, budget=enough - 1)
    assert [(one.item_id, one.reason) for one in none.dropped] == [("long", "budget"), ("short", "duplicate")]


def test_where_one_lanes_cap_leaves_a_story_out_another_lane_tells_it() -> None:
    lanes = LaneSettings(lanes=(Lane(id="few", item_cap=1), Lane(id="many")))
    tagged = [
        a_headline("other", "Ether rallies", tags=("lane:few",), priority="p0"),
        a_headline("capped", STORY, tags=("lane:few",), priority="p1"),
        a_headline("told", STORY, tags=("lane:many",), source="wire"),
    ]
    made = synthesis(tagged, lanes=lanes)
    assert {one.item.id for one in made.selected} == {"other", "told"}
    assert retold(made) == {"capped": "told"}
    assert {one.item.id for one in synthesis(tagged[1:], lanes=lanes).selected} == {"capped"}


def test_a_muted_lane_neither_replaces_nor_confirms_a_telling_that_is_sent() -> None:
    lanes = LaneSettings(lanes=(Lane(id="quiet", state="muted"), Lane(id="loud")))
    quiet = [a_headline(f"q-{n}", STORY, tags=("lane:quiet",), source=f"feed {n}", priority="p0") for n in range(2)]
    loud = a_headline("l", STORY, tags=("lane:loud",))
    made = synthesis([*quiet, loud], lanes=lanes)
    assert made.selected == synthesis([loud], lanes=lanes).selected
    assert {one.item_id: one.reason for one in made.dropped} == {"q-0": "muted", "q-1": "duplicate"}


def test_a_story_told_twice_as_often_is_twice_the_work() -> None:
    def told(times: int) -> Synthesis:
        items = [a_headline(f"news-{n}", f"{STORY}{' now' * (n % 500)}", source=f"feed {n}") for n in range(times)]
        return ContextBook(items=items).synthesize(budget=2_000, tokenizer=Utf8Bytes(), as_of=NOON, brief=BRIEF)

    assert len(told(2_000).selected) == 1
    assert calls(lambda: told(2_000)) < 2.2 * calls(lambda: told(1_000))
