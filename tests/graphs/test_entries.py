"""Entries on recorded candles: none beyond its bound, none in the cycle of a jump, and what was missed is told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from agents.model import Completion, completion_of
from agents.settings import DeskSettings, RiskSettings
from builders.candle_files import FIRST_MS, HEADER, STEP_MS, a_file
from builders.runs import archive, drive, options
from builders.sessions import NOW
from context import Synthesis
from context.tokenizer import Pieces, Tokenizer
from domain.decision import Opinion
from domain.order import OrderState
from graphs import RunResult, prepare, start
from graphs.archive.verdicts import Decided, decisions_of
from graphs.trading.events import Event, MarketSaid

T = TypeVar("T", bound=BaseModel)

WARMUP = 200
"""Bars before the first cycle, a quarter of all: the first entry would fill at the open of the bar of this number."""
DESK = DeskSettings(risk=RiskSettings(max_position=Decimal("0.05")))
FAR = Decimal(3)


class Buyer:
    """Buys with all conviction, and cites what it is shown; the first `after` times that it is asked it holds."""

    name = "buyer"
    paid = False

    def __init__(self, *, after: int = 0) -> None:
        self._holds = after

    @property
    def tokenizer(self) -> Tokenizer:
        return Pieces()

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        holds, self._holds = self._holds > 0, self._holds - 1
        cited = tuple(chosen.item.id for chosen in prompt.selected)
        answer = Opinion(stance="hold" if holds else "buy", conviction=Decimal(1), evidence=cited, rationale="it rises")
        return completion_of(schema)(
            model=self.name, answer=schema.model_validate(answer.model_dump()), cost_usd=Decimal(0)
        )


def rising() -> list[Decimal]:
    """Closes that every detector of a trend calls a buy."""
    return [100 + Decimal(number) / 4 + Decimal(("0", "0.7")[number % 2]) for number in range(4 * WARMUP)]


def a_market(folder: Path, closes: Sequence[Decimal], *, opens: dict[int, Decimal] | None = None) -> str:
    """Bars that close at `closes`, and open where the last one closed but for those in `opens`."""
    rows, before = [HEADER], closes[0]
    for number, close in enumerate(closes):
        opened = (opens or {}).get(number, before)
        high, low = max(opened, close) + Decimal("0.2"), min(opened, close) - Decimal("0.2")
        rows.append(f"{FIRST_MS + number * STEP_MS},{opened},{high},{low},{close},10000")
        before = close
    a_file(folder, "\n".join(rows) + "\n")
    return f"file:{folder}"


async def ran(folder: Path, market: str, model: Buyer, *, cycles: int) -> tuple[RunResult, list[Decided], list[str]]:
    """The run, what it decided, and what it told meanwhile."""
    heard: list[Event] = []
    async with archive(folder) as database:
        header, opened, _ = await prepare(options(market=market, cycles=cycles, desk=DESK), run_id="r1", at=NOW)
        session = await start(header, opened, model, database=database)
        result = await drive(session, cycles=cycles, listen=heard.append)
        decided = [each async for each in decisions_of("r1", database=database)]
    return result, decided, [event.text for event in heard if isinstance(event, MarketSaid)]


async def test_an_entry_is_not_filled_at_a_multiple_of_the_price_that_it_was_decided_at(tmp_path: Path) -> None:
    closes = rising()
    closes[WARMUP:] = [price * FAR for price in closes[WARMUP:]]
    market = a_market(tmp_path, closes, opens={WARMUP: closes[WARMUP]})
    result, decided, told = await ran(tmp_path, market, Buyer(), cycles=2)
    entry, missed = decided[0].proposal, result.orders[0]
    assert (decided[0].verdict.outcome, entry.type, entry.time_in_force) == ("allow", "limit", "IOC")
    assert (missed.state, missed.filled) == (OrderState.CANCELLED, 0)
    assert "the market moved past the limit" in missed.reason
    assert [text for text in told if text.startswith("ETH/USDT was not entered: IOC: the market moved past")]
    assert result.equity.end == result.equity.start


async def test_what_opens_within_the_bound_is_entered_and_within_every_cap(tmp_path: Path) -> None:
    closes = rising()
    market = a_market(tmp_path, closes, opens={WARMUP: closes[WARMUP - 1] * Decimal("1.001")})
    result, decided, _ = await ran(tmp_path, market, Buyer(), cycles=2)
    (entry, *_), (filled, *_) = [each.proposal for each in decided], result.orders
    assert entry.limit_price is not None
    assert filled.filled > 0
    assert filled.price is not None
    assert filled.price <= entry.limit_price
    assert filled.filled * filled.price <= result.equity.start * DESK.risk.max_position


async def test_a_bar_that_jumps_keeps_entries_out_for_its_own_cycle_alone(tmp_path: Path) -> None:
    closes = rising()
    closes[WARMUP:] = [price * Decimal("1.15") for price in closes[WARMUP:]]
    market = a_market(tmp_path, closes)
    _, decided, _ = await ran(tmp_path, market, Buyer(after=1), cycles=4)
    jumped, *later = [each for each in decided if each.proposal.cause == "entry"]
    assert jumped.proposal.cycle == 1
    assert [r.partition(":")[0] for r in jumped.verdict.reasons] == ["MARKET_DATA"]
    assert "from the close before the last" in jumped.verdict.reasons[0]
    assert [each.verdict.outcome for each in later][:1] == ["allow"]
