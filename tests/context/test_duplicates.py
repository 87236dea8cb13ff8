from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, a_headline, an_item
from context import ContextBook, ContextItem, Pieces, Synthesis
from context.duplicates import CROWD, FEWEST, Fingerprint, Stories, fingerprint, raised

STORY = "Bitcoin slides below 90,000 dollars as ETF outflows mount"


def same(left: str, right: str) -> bool:
    first, second = fingerprint(a_headline("a", left)), fingerprint(a_headline("b", right, source="Reuters"))
    assert first is not None
    assert second is not None
    return first == second or second in look_up([(0.0, first), (0.0, second)]).links.get(first, ())


def look_up(told: Iterable[tuple[float, Fingerprint]], *, crowd: int = CROWD) -> Stories:
    stories = Stories(crowd=crowd)
    for since_s, one in told:
        stories.add(one, since_s=since_s)
    return stories


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


def said(words: Iterable[str], *, facts: tuple[object, ...] = ()) -> Fingerprint:
    return Fingerprint(facts=facts, words=tuple(sorted(sorted(words), key=len, reverse=True)))


TOLD = st.dictionaries(
    st.builds(
        said,
        st.sets(st.sampled_from(["aaa", "bb", "cc", "d", "e", "f", "g", "h"]), min_size=1),
        facts=st.sampled_from([(), ("90000",)]),
    ),
    st.integers(0, 3).map(float),
    max_size=30,
)
"""Fingerprints with when they were first told."""


def links_by_definition(told: dict[Fingerprint, float], *, crowd: int) -> dict[Fingerprint, set[Fingerprint]]:
    """All that retell each other and are both among the first `crowd` with the shorter one's first word."""
    links: dict[Fingerprint, set[Fingerprint]] = {}
    for short in told:
        group = [
            one
            for one in sorted(told, key=lambda one: (told[one], one.words))
            if one.facts == short.facts and len(one.words) >= FEWEST and short.words[0] in one.opening
        ][:crowd]
        for long in group:
            if short in group and long != short and short.retells(long):
                links.setdefault(short, set()).add(long)
                links.setdefault(long, set()).add(short)
    return links


@settings(max_examples=200, deadline=None)
@given(TOLD, TOLD, st.sampled_from([1, 2, 3, 5, CROWD]), st.randoms(use_true_random=False))
def test_what_retells_what_depends_only_on_what_was_told_and_when(
    kept: dict[Fingerprint, float], gone: dict[Fingerprint, float], crowd: int, random: Random
) -> None:
    stories = Stories(crowd=crowd)
    gone = {told: since_s for told, since_s in gone.items() if told not in kept}
    for told, since_s in random.sample([*kept.items(), *gone.items()], len(kept) + len(gone)):
        stories.add(told, since_s=since_s)
    for told, since_s in random.sample([*gone.items()], len(gone)):
        stories.remove(told, since_s=since_s)
    assert stories.links == links_by_definition(kept, crowd=crowd)


@given(TOLD, st.sampled_from([1, 2, 3, 5]), st.integers(0, 3))
def test_what_is_told_later_changes_no_link_of_what_was_told_before(
    told: dict[Fingerprint, float], crowd: int, now_s: int
) -> None:
    known = {one: since_s for one, since_s in told.items() if since_s <= now_s}
    later = look_up(((since_s, one) for one, since_s in told.items()), crowd=crowd).links
    among_known = {one: others & known.keys() for one, others in later.items() if one in known}
    expected = look_up(((since_s, one) for one, since_s in known.items()), crowd=crowd).links
    assert {one: others for one, others in among_known.items() if others} == expected


class Counted(Fingerprint):
    """Counts how often one was compared with another."""

    compared = 0

    def retells(self, other: Fingerprint) -> bool:
        Counted.compared += 1
        return super().retells(other)


LONG = "cryptocurrencies"


def alike(count: int) -> list[set[str]]:
    """Every text with one long word and most of the others: pairs of subsets by the thousand."""
    rng = Random(5)
    filler = [f"w{number:02}" for number in range(24)]
    return [{LONG, *rng.sample(filler, rng.randint(16, 24))} for _ in range(count)]


def nested(count: int) -> list[set[str]]:
    """Chains in which each text holds all that are shorter, in groups as large as is still compared."""
    return [
        {f"{LONG}{number // CROWD:04}", *(f"w{word:03}" for word in range(128 + number % CROWD))}
        for number in range(count)
    ]


def strangers(count: int) -> list[set[str]]:
    """One long first word, and nothing else in common."""
    return [{LONG, *(f"{number:05}{place}" for place in range(8))} for number in range(count)]


@pytest.mark.parametrize("feed", [alike, nested, strangers])
def test_no_feed_makes_the_look_up_quadratic(feed: Callable[[int], list[set[str]]]) -> None:
    told = [said(words) for words in feed(5_000)]
    distinct = [Counted(facts=one.facts, words=one.words) for one in dict.fromkeys(told)]
    Counted.compared = 0
    stories = look_up((float(number), one) for number, one in enumerate(distinct))
    assert Counted.compared <= CROWD * len(distinct)
    for number, one in list(enumerate(distinct))[:100]:
        Counted.compared = 0
        stories.remove(one, since_s=float(number))
        stories.add(one, since_s=float(number))
        assert Counted.compared <= 3 * CROWD * len(one.opening)


def crowd_of_headlines(count: int, *, available_at: datetime) -> list[ContextItem]:
    """Different stories that begin with the same long word."""
    names = [f"{first}{second}" for first in "abcdefghij" for second in "abcdefghij"]
    return [
        a_headline(
            f"crowd-{name}",
            f"Cryptocurrencies fall {name}one {name}two {name}three {name}four",
            available_at=available_at,
        )
        for name in names[:count]
    ]


def near_tellings() -> list[ContextItem]:
    told = "Cryptocurrencies slide below support as outflows mount"
    return [
        a_headline("first", told, source="alpha", available_at=NOON - timedelta(seconds=2)),
        a_headline("same", told, source="beta", available_at=NOON - timedelta(seconds=1)),
        a_headline("wordy", f"{told} sharply", source="gamma", available_at=NOON),
    ]


def retold(items: list[ContextItem]) -> dict[str, str]:
    return {one.item_id: one.instead for one in synthesis(items).dropped if one.reason == "duplicate"}


def test_in_a_crowd_the_same_words_are_still_one_story_and_more_words_count_alone() -> None:
    before = NOON - timedelta(hours=1)
    few = crowd_of_headlines(CROWD - 2, available_at=before)
    assert retold([*few, *near_tellings()]) == {"first": "wordy", "same": "wordy"}
    crowd = crowd_of_headlines(CROWD - 1, available_at=before)
    assert retold([*crowd, *near_tellings()]) == {"first": "same"}


def test_a_crowd_that_comes_later_changes_nothing() -> None:
    later = crowd_of_headlines(2 * CROWD - 30, available_at=NOON + timedelta(seconds=1))
    assert synthesis([*later, *near_tellings()]).messages == synthesis(near_tellings()).messages
    assert retold([*later, *near_tellings()]) == {"first": "wordy", "same": "wordy"}
