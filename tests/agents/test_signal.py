"""Signal looks at every symbol, and a dead source costs its own evidence and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agents.settings import DeskSettings, SignalSettings
from agents.signal import Scan, SignalAgent, queue
from builders.desks import SWAP, UPTREND, Notes, a_desk, a_price, a_signal, an_episode, readings, some_news
from builders.tools import BTC, ETH
from domain.decision import Signal
from domain.digest import canonical
from domain.value import Value

BULLISH = "Bitcoin rallies to a record"

signals = st.lists(
    st.builds(
        lambda symbol, score: a_signal(symbol, score=score),
        st.sampled_from([f"{base}/USDT" for base in "ABCDEFGH"]),
        st.decimals(min_value=0, max_value=1, places=1),
    ),
    unique_by=lambda signal: signal.symbol,
)


async def test_a_symbol_that_trends_is_a_candidate_and_what_was_seen_is_kept() -> None:
    desk = a_desk(readings(**UPTREND), a_price(), some_news(BTC, BULLISH))
    scan = await SignalAgent()(desk)
    assert [(s.symbol, s.direction, s.detectors) for s in scan.signals] == [(BTC, "buy", ("trend", "news"))]
    kept = {item.id.split(":")[0] for item in desk.context.items}
    assert kept == {"indicators", "quote", "sentiment", "headline", "detector"}


async def test_a_dead_source_costs_its_own_evidence_and_nothing_else() -> None:
    told: dict[str, Value] = {
        "indicators": readings(**UPTREND),
        "quote": a_price(),
        "headlines": some_news(BTC, BULLISH),
    }
    costs = {"indicators": {"indicators"}, "quote": {"quote"}, "headlines": {"sentiment", "headline"}}
    for dead, lost in costs.items():
        desk = a_desk(*(value for name, value in told.items() if name != dead))
        scan = await SignalAgent()(desk)
        kept = {item.id.split(":")[0] for item in desk.context.items}
        assert kept == {"indicators", "quote", "sentiment", "headline", "detector"} - lost
        if dead == "indicators":
            assert dict(scan.quiet)[BTC] == "no indicators: the indicators service is down"
        else:
            assert [s.symbol for s in scan.signals] == [BTC]


async def test_one_symbol_without_sources_leaves_the_others_as_they_are() -> None:
    desk = a_desk(readings(**UPTREND), a_price(), readings(ETH, **UPTREND), a_price(ETH))
    alone = a_desk(readings(**UPTREND), a_price())
    both, one = await SignalAgent()(desk), await SignalAgent()(alone)
    assert [s for s in both.signals if s.symbol == BTC] == list(one.signals)


async def test_every_symbol_is_a_signal_or_quiet_with_a_reason() -> None:
    desk = a_desk(readings(**UPTREND), readings(ETH))
    scan = await SignalAgent()(desk)
    assert {s.symbol for s in scan.signals} | dict(scan.quiet).keys() == {BTC, ETH, SWAP}
    assert dict(scan.quiet)[ETH] == "no detector fired"


async def test_detectors_that_contradict_each_other_say_so() -> None:
    desk = a_desk(readings(**UPTREND | {"adx_14": "25"}), some_news(BTC, "crash", score="-0.5"))
    assert dict((await SignalAgent()(desk)).quiet)[BTC] == "detectors contradict each other"


async def test_a_weak_candidate_is_quiet() -> None:
    desk = a_desk(
        readings(**UPTREND | {"adx_14": "24"}),
        settings=DeskSettings(signal=SignalSettings(threshold=Decimal("0.5"))),
    )
    assert dict((await SignalAgent()(desk)).quiet)[BTC] == "score 0.4800 is below 0.5"


async def test_the_lesson_of_closed_trades_goes_into_the_context() -> None:
    desk = replace(a_desk(readings()), memory=Notes(an_episode(BTC, profit="-1")))
    await SignalAgent()(desk)
    lesson = desk.context.get(f"lesson:{BTC}")
    assert lesson is not None
    assert (lesson.trust, lesson.readings["win_rate"]) == ("own", 0)


@given(signals, st.integers(1, 5))
def test_the_queue_takes_the_best_and_gives_every_other_a_reason(found: list[Signal], most: int) -> None:
    scan = queue(found, {}, most=most)
    assert len(scan.signals) == min(most, len(found))
    assert list(scan.signals) == sorted(found, key=lambda s: (-s.score, s.symbol))[:most]
    assert {s.symbol for s in scan.signals} | dict(scan.quiet).keys() == {s.symbol for s in found}
    assert {s.symbol for s in scan.signals}.isdisjoint(dict(scan.quiet))
    assert scan == queue(found[::-1], {}, most=most)


async def test_what_venue_data_alone_says_is_kept_of_every_symbol_that_could_be_read() -> None:
    """Of a candidate, of one below the threshold, of one where nothing fired; and of none without indicators."""
    told = [
        readings(**UPTREND),
        readings(ETH),
        some_news(BTC, BULLISH),
        some_news(ETH, BULLISH),
        some_news(SWAP, BULLISH),
    ]
    desk = a_desk(*told, settings=DeskSettings(signal=SignalSettings(threshold=Decimal(1))), venue_signals={})
    scan = await SignalAgent()(desk)
    found = {symbol: [(s.detector, s.side, s.strength) for s in signals] for symbol, signals in scan.venue_signals}
    assert found == {BTC: [("trend", "buy", Decimal("0.8"))], ETH: []}
    assert desk.venue_signals == dict(scan.venue_signals)
    assert SWAP in dict(scan.quiet)


async def test_news_alone_makes_a_candidate_and_no_venue_signal() -> None:
    desk = a_desk(readings(), some_news(BTC, BULLISH, score="0.9"), venue_signals={})
    scan = await SignalAgent()(desk)
    assert [(s.symbol, s.detectors) for s in scan.signals] == [(BTC, ("news",))]
    assert dict(scan.venue_signals) == {BTC: ()}


async def test_news_changes_nothing_of_what_venue_data_says() -> None:
    found = []
    for score in ("-1", "0", "1"):
        desk = a_desk(readings(**UPTREND), some_news(BTC, BULLISH, score=score), venue_signals={})
        found.append((await SignalAgent()(desk)).venue_signals)
    assert found[0] == found[1] == found[2] != ()


async def test_a_hit_on_the_tone_of_headlines_is_untrusted() -> None:
    desk = a_desk(readings(**UPTREND), some_news(BTC, BULLISH))
    await SignalAgent()(desk)
    trust = {item.id: item.trust for item in desk.context.items if item.id.startswith("detector:")}
    assert trust == {f"detector:trend:{BTC}": "own", f"detector:news:{BTC}": "untrusted"}


def test_a_scan_without_venue_signals_is_written_as_it_was() -> None:
    assert "venue_signals" not in canonical(Scan())
