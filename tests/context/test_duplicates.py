from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, a_headline, an_item
from context import ContextBook, ContextItem, Pieces, Synthesis
from context.duplicates import fingerprint, raised, stories

STORY = "Bitcoin slides below 90,000 dollars as ETF outflows mount"


def same(left: str, right: str) -> bool:
    first, second = fingerprint(a_headline("a", left)), fingerprint(a_headline("b", right, source="Reuters"))
    assert first is not None
    assert second is not None
    return first == second or second in stories([first, second]).get(first, ())


@pytest.mark.parametrize(
    "other",
    [
        "BREAKING: Bitcoin slides below 90,000 dollars as ETF outflows mount!",
        "Bitcoin slides below 90,000 dollars amid mounting ETF outflows - Reuters",
        "Bitcoin is sliding below 90000 dollars on mounting ETF outflows",
        "Bitcoin slides sharply below 90,000 dollars as ETF outflows mount",
    ],
)
def test_one_story_in_other_words_of_the_same_stems_is_one_story(other: str) -> None:
    assert same(STORY, other)
    assert same(other, STORY)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (STORY, STORY.replace("90,000", "80,000")),
        (STORY, STORY.replace("slides", "rallies")),
        (STORY, STORY.replace("Bitcoin", "Ether")),
        ("The SEC approves the spot fund today", "The SEC approves not the spot fund today"),
        ("Exchange halts all withdrawals after an attack", "Exchange may halt all withdrawals after an attack"),
        ("Rates cut", "Rates cut again"),
        ("Bitcoin -5% on the day in Asia trading", "Bitcoin +5% on the day in Asia trading"),
        ("The fund won't list on the exchange", "The fund will list on the exchange"),
    ],
)
def test_another_number_word_negation_or_doubt_is_another_story(left: str, right: str) -> None:
    assert not same(left, right)


def test_readings_and_rules_never_stand_for_one_another() -> None:
    assert fingerprint(an_item(readings={"rsi": Decimal(30)})) is None
    assert fingerprint(an_item(kind="constraint")) is None


def test_symbols_keep_stories_apart() -> None:
    btc = a_headline("a", STORY, tags=("lane:news-sentiment", "symbol:BTC/USDT"))
    eth = a_headline("b", STORY, tags=("lane:news-sentiment", "symbol:ETH/USDT"))
    assert fingerprint(btc) != fingerprint(eth)


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


def synthesis(items: list[ContextItem]) -> Synthesis:
    return ContextBook(items=items).synthesize(budget=2_000, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)


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
