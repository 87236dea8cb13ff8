"""What venue data does not support is not traded, whatever a headline says and a model makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import BaseModel

from agents.model import Completion, completion_of
from agents.settings import DeskSettings, RiskSettings
from builders.candle_files import FIRST_MS, HEADER, STEP_MS, a_file
from builders.desks import a_position, an_account, supporting
from builders.markets import recorded
from builders.runs import archive, drive, options, run
from builders.sessions import BTC, NOW, a_session, an_entry, at_the_gate
from context import Synthesis
from context.tokenizer import Pieces, Tokenizer
from domain.decision import Opinion, Stance
from graphs import RunResult, prepare, start
from graphs.archive.verdicts import decisions_of
from graphs.runs.replay import replay_run
from graphs.trading.gate import gate
from memory import Archive, Database
from policy import Verdict

T = TypeVar("T", bound=BaseModel)

BARS = 900
HEADLINE = "Rally soars: record gains, bullish surge"


class Obeying:
    """A model that does what a headline asks for, with all conviction, and cites it beside all else it is shown."""

    name = "obeying"
    paid = False

    def __init__(self, stance: Stance, *, after: int = 0, before: Stance = "hold") -> None:
        self._stance, self._after, self._before = stance, after, before
        self.prompts: list[Synthesis] = []

    @property
    def tokenizer(self) -> Tokenizer:
        return Pieces()

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        self.prompts.append(prompt)
        stance = self._stance if len(self.prompts) > self._after else self._before
        cited = tuple(chosen.item.id for chosen in prompt.selected)
        answer = Opinion(stance=stance, conviction=Decimal(1), evidence=cited, rationale=HEADLINE)
        return completion_of(schema)(
            model=self.name, answer=schema.model_validate(answer.model_dump()), cost_usd=Decimal(0)
        )


def a_market(folder: Path, prices: Sequence[Decimal], *, headline: str = HEADLINE) -> str:
    """Candles that close at `prices`, and a headline at each."""
    rows, lines, before = [HEADER], [], prices[0]
    for number, price in enumerate(prices):
        high, low = max(before, price) + Decimal("0.2"), min(before, price) - Decimal("0.2")
        rows.append(f"{FIRST_MS + number * STEP_MS},{before},{high},{low},{price},10000")
        at = datetime.fromtimestamp((FIRST_MS + number * STEP_MS) / 1_000, UTC)
        lines.append(
            json.dumps(
                {
                    "id": f"n{number}",
                    "title": headline,
                    "source": "wire",
                    "symbols": ["ETH/USDT"],
                    "published_at": at.isoformat(),
                }
            )
        )
        before = price
    a_file(folder, "\n".join(rows) + "\n")
    a_file(folder, "\n".join(lines) + "\n", name="headlines.jsonl")
    return f"file:{folder}"


def going_nowhere() -> list[Decimal]:
    """Up and down by as much: no detector has a word to say."""
    return [100 + Decimal(("0", "0.5", "0", "-0.5")[number % 4]) for number in range(BARS)]


def rising() -> list[Decimal]:
    return [100 + Decimal(number) / 4 + Decimal(("0", "0.1")[number % 2]) for number in range(BARS)]


async def obeyed(
    database: Database, market: str, model: Obeying, *, cycles: int = 30, min_stop: str = "0.002"
) -> RunResult:
    # small positions, so that no limit on sizes has a say
    desk = DeskSettings(risk=RiskSettings(max_position=Decimal("0.05"), min_stop=Decimal(min_stop)))
    header, opened, _ = await prepare(options(market=market, cycles=cycles, desk=desk), run_id="r1", at=NOW)
    return await drive(await start(header, opened, model, database=database), cycles=cycles)


async def test_an_obeying_model_gets_no_order_where_venue_data_supports_none(tmp_path: Path) -> None:
    model = Obeying("buy")
    async with archive(tmp_path) as database:
        result = await obeyed(database, a_market(tmp_path, going_nowhere()), model)
    assert len(model.prompts) == 30  # the headlines made it a candidate in every cycle, and were cited
    assert {item.id.split(":")[0] for item in model.prompts[-1].items} >= {"headline", "quote", "sentiment"}
    assert result.orders == ()
    assert {d.outcome for d in result.decisions} == {"hold"}
    assert all("venue data supports no buy: its signals come to 0" in d.reasons for d in result.decisions)


async def test_the_same_model_gets_orders_where_venue_data_supports_them(tmp_path: Path) -> None:
    """The test above would say nothing if it were refused for anything else."""
    async with archive(tmp_path) as database:
        result = await obeyed(database, a_market(tmp_path, rising()), Obeying("buy"))
        decided = [each async for each in decisions_of("r1", database=database)]
    assert "buy" in {order.side for order in result.orders if order.filled}
    entries = [each for each in decided if each.proposal.cause == "entry"]
    assert all(s.side == "buy" for each in entries for s in each.facts.venue_signals["ETH/USDT"])
    # The tone of the headlines, what a detector made of it, the goal and the holdings were cited, and are no origins.
    assert {s.source for each in entries for s in each.facts.support["ETH/USDT"]} == {"venue", "wire"}


async def test_no_headline_ends_a_position_that_venue_data_speaks_for(tmp_path: Path) -> None:
    """It is bought on the venue's word, and the model is then told to sell it: it is left at its target."""
    market = a_market(tmp_path, rising(), headline="Exchange hacked: plunge, rout, bankruptcy")
    async with archive(tmp_path) as database:
        result = await obeyed(database, market, Obeying("sell", after=1, before="buy"))
        decided = [each async for each in decisions_of("r1", database=database)]
        closed = await Archive(database).episodes("r1")
    causes = [each.proposal.cause for each in decided]
    assert causes[0] == "entry"
    assert "thesis" not in causes
    assert {"stop", "target", "time"} & {*causes, *(each.cause for each in closed)}
    kept = [reason for d in result.decisions for reason in d.reasons if reason.startswith("position kept")]
    assert kept
    assert all("venue data supports no sell: its signals come to -" in reason for reason in kept)


async def test_a_position_is_left_by_a_thesis_once_venue_data_says_the_same(tmp_path: Path) -> None:
    prices = rising()
    top = prices[210]
    prices[211:] = [top - Decimal(min(number, 120)) / 4 for number in range(len(prices) - 211)]
    async with archive(tmp_path) as database:
        model = Obeying("sell", after=9, before="buy")
        await obeyed(database, a_market(tmp_path, prices), model, cycles=60, min_stop="0.15")
        decided = [each async for each in decisions_of("r1", database=database)]
    left = [each for each in decided if each.proposal.cause == "thesis"]
    assert left
    for each in left:
        assert each.verdict.outcome == "allow"
        assert {s.side for s in each.facts.venue_signals["ETH/USDT"]} == {"sell"}


# The gate, whatever Risk would propose


def support_of(verdict: Verdict) -> tuple[str, bool]:
    (found,) = [f for f in verdict.findings if f.code == "SUPPORT"]
    return found.outcome, found.unknown


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({BTC: supporting("buy")}, ("pass", False)),
        ({BTC: supporting("sell")}, ("deny", False)),
        ({BTC: ()}, ("deny", False)),
        ({}, ("deny", True)),
    ],
)
async def test_the_gate_asks_for_the_support_of_this_cycle(
    signals: dict[str, object], expected: tuple[str, bool]
) -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        cycle.venue_signals = signals  # type: ignore[assignment]
        (verdict,) = (await gate([await an_entry(cycle)], cycle)).verdicts
    assert support_of(verdict) == expected


@pytest.mark.parametrize(
    ("cause", "stop", "trailed", "outcome"),
    [
        ("flatten", None, None, "allow"),
        ("thesis", None, None, "deny"),
        (None, None, None, "deny"),
        ("stop", "1", None, "allow"),  # parts of the bid
        ("stop", "0.9", None, "deny"),
        ("stop", "0.9", "1", "allow"),  # it trails
        ("stop", "0.9", "0.95", "deny"),
    ],
)
async def test_the_gate_refuses_an_unsupported_exit_where_it_is_by_thesis_or_does_not_say_what_is_so(
    cause: str | None, stop: str | None, trailed: str | None, outcome: str
) -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        bid = (await session.market.quote(BTC, as_of=cycle.as_of)).bid
        held = a_position(BTC, quantity="0.1", stop_price=bid * Decimal(stop) if stop else None)
        cycle.portfolio = an_account(held, cash="90000", marks={BTC: Decimal(94_000)})
        if trailed:
            cycle.stops[BTC] = bid * Decimal(trailed)
        sale = {"side": "sell", "stop_price": None, "reduce_only": True, "quantity": Decimal("0.1"), "cause": cause}
        (verdict,) = (await gate([await an_entry(cycle, **sale)], cycle)).verdicts
    assert verdict.outcome == outcome


# What still trades


async def test_the_first_run_of_the_readme_still_shows_what_it_is_there_to_show(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, options(seed=7, cycles=60))
        decided = [each async for each in decisions_of("r1", database=database)]
        closed = await Archive(database).episodes("r1")
        again = await replay_run("r1", source=database, progress=lambda done, cycles: None)
    assert again.identical, again.first_difference
    allowed = [each.proposal.cause for each in decided if each.verdict.outcome == "allow"]
    assert allowed.count("entry") >= 2
    assert {"stop", "target"} & (set(allowed) | {each.cause for each in closed})
    declined = [reason for d in result.decisions for reason in d.reasons if "venue data supports no" in reason]
    refused = [f for each in decided for f in each.verdict.findings if f.outcome == "deny" and f.observed is not None]
    assert refused or [reason for reason in declined if reason.rsplit(" ", 1)[1].lstrip("-").replace(".", "").isdigit()]


@pytest.mark.slow
@pytest.mark.parametrize("episode", ["crash-2025-02-1m", "crash-2025-01-5m"])
async def test_a_recorded_crash_without_headlines_still_trades(tmp_path: Path, episode: str) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, options(market=f"file:{recorded(episode)}", cycles=500))
        decided = [each async for each in decisions_of("r1", database=database)]
        closed = await Archive(database).episodes("r1")
    causes = {each.proposal.cause for each in decided if each.verdict.outcome == "allow"}
    causes |= {each.cause for each in closed}
    assert {order.side for order in result.orders if order.filled} == {"buy", "sell"}
    assert "entry" in causes
    assert causes & {"stop", "target", "time", "thesis"}
