"""What stands around a tool call: tape, cache, rate, breaker, timeout, retry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from pydantic import TypeAdapter

from builders.tools import BTC, ETH, START, Naps, a_toolbox, a_view
from domain.clock import TickClock
from domain.digest import canonical
from domain.effects import Answer, through
from domain.errors import NotFound, SymbolUnknown, VenueUnavailable
from domain.rate import Rate
from domain.value import Value
from tools.cycle_reads import CycleReads
from tools.resilience import Cache, Plumbing
from tools.result import Failure, ToolFailed, ToolRetry
from tools.tool import Tool, tool
from tools.view import MarketView

T = TypeVar("T")
SOL = "SOL/USDT"


class Asked(Value):
    number: int


class OfSymbol(Value):
    symbol: str


class Told(Value):
    number: int


class Script:
    """Says how each call of a tool ends: an error to raise, or `None` for an answer."""

    def __init__(self, *steps: BaseException | None) -> None:
        self.steps = list(steps)
        self.calls = 0

    def step(self) -> None:
        self.calls += 1
        error = self.steps.pop(0) if self.steps else None
        if error is not None:
            raise error


def a_tool(script: Script, **over: Any) -> Tool[Asked, Told]:
    given: dict[str, Any] = {"timeout_s": 5, "trust": "own"}

    @tool(**(given | over))
    async def ask(params: Asked, view: MarketView) -> Told:
        """Tell the number asked for."""
        script.step()
        return Told(number=params.number)

    return ask


class Tape:
    """Records effects, and plays back those it was given."""

    def __init__(self, recorded: dict[int, tuple[str, str, str]] | None = None) -> None:
        self.rows = {} if recorded is None else recorded
        self.calls = 0

    async def once(
        self,
        name: str,
        request: object,
        *,
        returns: TypeAdapter[T],
        perform: Callable[[], Awaitable[T]],
        durable: bool = False,
    ) -> T:
        answer = await self.answer(name, request, returns=returns, perform=perform)
        answer.keep()
        return answer.value

    async def answer(
        self, name: str, request: object, *, returns: TypeAdapter[T], perform: Callable[[], Awaitable[T]]
    ) -> Answer[T]:
        n, self.calls = self.calls, self.calls + 1
        if n in self.rows:
            assert self.rows[n][:2] == (name, canonical(request))
            return Answer(returns.validate_json(self.rows[n][2]), keep=lambda: None)
        body, value = through(await perform(), returns)
        return Answer(value, keep=lambda: self.rows.update({n: (name, canonical(request), body)}))

    def now(self) -> datetime:
        return START


async def test_a_call_answers_by_tool_and_by_name() -> None:
    ask = a_tool(Script())
    box = a_toolbox(ask)
    assert (await box.call(ask, Asked(number=1))).value == Told(number=1)
    assert (await box.call("ask", {"number": 2})).value == Told(number=2)


async def test_a_tool_that_is_not_in_the_box_is_not_found() -> None:
    ask, other = a_tool(Script()), a_tool(Script())
    for missing in (other, "nothing"):
        with pytest.raises(NotFound, match="There are: ask"):
            await a_toolbox(ask).call(missing, {"number": 1})


async def test_parameters_that_do_not_fit_are_all_named_and_nothing_is_performed() -> None:
    script, tape = Script(), Tape()
    result = await a_toolbox(a_tool(script), effects=tape).call("ask", {"number": "x", "secret": "y"})
    assert (result.failure, script.calls, tape.calls) == ("invalid", 0, 0)
    assert "number:" in result.error
    assert "secret:" in result.error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (SymbolUnknown("DOGE/USDT is unknown"), "unknown_symbol"),
        (VenueUnavailable("no answer"), "unavailable"),
        (ToolRetry("busy"), "try_again"),
        (ToolFailed("no such thing"), "failed"),
        (TimeoutError("read timed out"), "timeout"),
        (KeyError("bars"), "crashed"),
    ],
)
async def test_an_error_becomes_a_value_with_a_name(error: Exception, failure: Failure) -> None:
    ask = a_tool(Script(error), attempts=1)
    result = await a_toolbox(ask).call(ask, {"number": 1})
    assert (result.ok, result.failure, result.value) == (False, failure, None)


async def test_an_errors_text_is_made_safe_to_show() -> None:
    ask = a_tool(Script(ToolFailed("line\nbreak \u202ereversed\u200b " + "x" * 1_000)))
    result = await a_toolbox(ask).call(ask, {"number": 1})
    assert result.error.startswith("line break reversed xxx")
    assert len(result.error) == 300


@pytest.mark.parametrize("error", [ToolRetry("busy"), VenueUnavailable("no answer"), TimeoutError()])
async def test_what_may_pass_is_asked_again_after_a_growing_pause(error: Exception) -> None:
    script, naps = Script(error, error), Naps()
    result = await a_toolbox(a_tool(script), plumbing=Plumbing(TickClock(START), sleep=naps)).call("ask", {"number": 1})
    assert (result.ok, script.calls, naps.taken) == (True, 3, [0.1, 0.2])


@pytest.mark.parametrize("error", [ToolFailed("no"), SymbolUnknown("no"), ValueError("no")])
async def test_what_will_not_pass_is_asked_once(error: Exception) -> None:
    script = Script(error)
    result = await a_toolbox(a_tool(script)).call("ask", {"number": 1})
    assert (result.ok, script.calls) == (False, 1)


async def test_attempts_are_bounded() -> None:
    script = Script(*[ToolRetry("busy")] * 9)
    result = await a_toolbox(a_tool(script, attempts=3)).call("ask", {"number": 1})
    assert (result.failure, script.calls) == ("try_again", 3)


async def test_a_tool_that_hangs_ends_at_its_time_limit() -> None:
    @tool(timeout_s=0.001, trust="own")
    async def hang(params: Asked, view: MarketView) -> Told:
        """Never answers."""
        return await asyncio.Future()

    result = await a_toolbox(hang).call(hang, {"number": 1})
    assert (result.failure, result.error) == ("timeout", "no answer within 0.001 s")


async def test_a_cancelled_call_is_cancelled_and_says_nothing_about_the_tool() -> None:
    ask = a_tool(Script(asyncio.CancelledError()))
    box = a_toolbox(ask, plumbing=Plumbing(TickClock(START), break_after=1))
    with pytest.raises(asyncio.CancelledError):
        await box.call(ask, {"number": 1})
    assert (await box.call(ask, {"number": 1})).ok


async def test_the_same_question_at_the_same_moment_is_performed_once() -> None:
    script = Script()
    ask = a_tool(script)
    plumbing = Plumbing(TickClock(START))
    answers = [await a_toolbox(ask, plumbing=plumbing).call(ask, {"number": 1}) for _ in range(2)]
    assert (script.calls, answers[0]) == (1, answers[1])
    await a_toolbox(ask, plumbing=plumbing).call(ask, {"number": 2})
    assert script.calls == 2


async def test_another_moment_or_another_universe_is_another_question() -> None:
    script = Script()
    ask = a_tool(script)
    plumbing = Plumbing(TickClock(START))
    for view in (a_view(), a_view(as_of=START + timedelta(minutes=5)), a_view(universe=[BTC])):
        await a_toolbox(ask, view=view, plumbing=plumbing).call(ask, {"number": 1})
    assert script.calls == 3


async def test_a_failure_is_kept_for_the_rest_of_the_cycle_and_no_longer() -> None:
    script, reads, plumbing = Script(ToolFailed("not yet")), CycleReads(), Plumbing(TickClock(START))
    ask = a_tool(script)
    boxes = [a_toolbox(ask, plumbing=plumbing, reads=reads) for _ in range(2)]
    first, again = [await box.call("ask", {"number": 1}) for box in boxes]
    assert (first.error, again, script.calls) == ("not yet", first, 1)
    assert (await a_toolbox(ask, plumbing=plumbing, reads=CycleReads()).call("ask", {"number": 1})).ok


async def test_a_failure_that_was_played_back_is_kept_too() -> None:
    script, tape = Script(ToolFailed("not yet")), Tape()
    ask = a_tool(script)
    await a_toolbox(ask, effects=tape).call("ask", {"number": 1})
    box = a_toolbox(ask, effects=Tape(tape.rows))
    assert [(await box.call("ask", {"number": 1})).error for _ in range(2)] == ["not yet", "not yet"]
    assert script.calls == 1


async def test_a_call_without_a_turn_is_made_again_in_the_same_cycle() -> None:
    clock, script = TickClock(START), Script()
    ask = a_tool(script, timeout_s=0.5, rate=Rate(per_s=1))
    box = a_toolbox(ask, plumbing=Plumbing(clock, sleep=Naps()))
    results = [await box.call(ask, {"number": number}) for number in (1, 2)]
    clock.set(START + timedelta(seconds=1))
    results.append(await box.call(ask, {"number": 2}))
    assert [result.failure for result in results] == [None, "rate_limited", None]


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert len(cache) == 2


async def test_calls_beyond_the_rate_wait_their_turn_or_are_refused() -> None:
    naps = Naps()
    ask = a_tool(Script(), timeout_s=1, rate=Rate(per_s=1))
    box = a_toolbox(ask, plumbing=Plumbing(TickClock(START), sleep=naps))
    results = [await box.call(ask, {"number": number}) for number in range(3)]
    assert [result.failure for result in results] == [None, None, "rate_limited"]
    assert naps.taken == [1.0]


async def test_a_tool_that_keeps_failing_is_left_alone_and_then_tried() -> None:
    clock = TickClock(START)
    script = Script(*[VenueUnavailable("down")] * 2)
    ask = a_tool(script, attempts=1)
    plumbing = Plumbing(clock, break_after=2, probe_after_s=30)
    results = [await a_toolbox(ask, plumbing=plumbing).call(ask, {"number": 1}) for _ in range(3)]
    assert [result.failure for result in results] == ["unavailable", "unavailable", "open_circuit"]
    assert script.calls == 2
    clock.set(START + timedelta(seconds=30))
    assert (await a_toolbox(ask, plumbing=plumbing).call(ask, {"number": 1})).ok


async def test_an_answer_that_is_no_is_an_answer_to_the_breaker() -> None:
    ask = a_tool(Script(*[ToolFailed("no")] * 9))
    plumbing = Plumbing(TickClock(START), break_after=2)
    boxes = [a_toolbox(ask, plumbing=plumbing) for _ in range(9)]
    assert {(await box.call(ask, {"number": 1})).failure for box in boxes} == {"failed"}


class Source:
    """A market's prices by symbol. Some are down, and of some the answer never comes."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.hung: set[str] = set()
        self.asked: list[str] = []

    def tool(self, **over: Any) -> Tool[OfSymbol, Told]:
        @tool(**({"timeout_s": 5, "trust": "own", "attempts": 1} | over))
        async def price(params: OfSymbol, view: MarketView) -> Told:
            """The price of a symbol."""
            self.asked.append(params.symbol)
            if params.symbol in self.hung:
                await asyncio.Future()
            if params.symbol in self.down:
                raise VenueUnavailable(f"{params.symbol} is down")
            return Told(number=1)

        return price


async def test_a_circuit_opens_for_the_symbol_that_fails_and_not_for_the_others() -> None:
    source, clock = Source(), TickClock(START)
    source.down = {BTC}
    price, plumbing = source.tool(), Plumbing(clock, break_after=2, probe_after_s=30)
    seen = []
    for _ in range(3):  # the other symbol answers each time
        box = a_toolbox(price, plumbing=plumbing)
        seen.append([(await box.call(price, {"symbol": symbol})).failure for symbol in (BTC, ETH)])
    assert seen == [["unavailable", None], ["unavailable", None], ["open_circuit", None]]
    left_alone = await a_toolbox(price, plumbing=plumbing).call(price, {"symbol": BTC})
    assert left_alone.error == "it failed several times in a row about BTC/USDT and is left alone for a while"
    source.down, source.asked = set(), []
    clock.set(START + timedelta(seconds=30))
    assert (await a_toolbox(price, plumbing=plumbing).call(price, {"symbol": BTC})).ok
    assert source.asked == [BTC]


async def test_a_circuit_opens_for_a_source_that_answers_about_no_symbol() -> None:
    source = Source()
    source.down = {BTC, ETH}
    price, plumbing = source.tool(), Plumbing(TickClock(START), break_after=2)
    box = a_toolbox(price, plumbing=plumbing, view=a_view(universe=[BTC, ETH, SOL]))
    results = [await box.call(price, {"symbol": symbol}) for symbol in (BTC, ETH, SOL)]
    assert [result.failure for result in results] == ["unavailable", "unavailable", "open_circuit"]


async def test_symbols_that_nobody_trades_have_no_circuits_of_their_own() -> None:
    source = Source()
    price, plumbing = source.tool(), Plumbing(TickClock(START), break_after=2)
    source.down = {"X1/USDT", "X2/USDT"}
    box = a_toolbox(price, plumbing=plumbing)
    results = [await box.call(price, {"symbol": symbol}) for symbol in ("X1/USDT", "X2/USDT", BTC)]
    assert [result.failure for result in results] == ["unavailable", "unavailable", "open_circuit"]


async def test_a_symbol_that_hangs_is_waited_for_once_in_a_cycle() -> None:
    source, reads = Source(), CycleReads(cycle_s=9, read_s=0.01)
    source.hung = {BTC}
    price = source.tool()

    @tool(timeout_s=5, trust="own")
    async def volume(params: OfSymbol, view: MarketView) -> Told:
        """The volume of a symbol: of BTC it never comes."""
        return await asyncio.Future() if params.symbol == BTC else Told(number=2)

    @tool(timeout_s=5, trust="own")
    async def remembered(params: OfSymbol, view: MarketView) -> Told:
        """What is here already, of any symbol."""
        return Told(number=3)

    box = a_toolbox(price, volume, remembered, reads=reads)
    first, again = [await box.call(price, {"symbol": BTC}) for _ in range(2)]
    assert (first.failure, first.error, again, source.asked) == ("timeout", "no answer within 0.01 s", first, [BTC])
    other = await box.call(volume, {"symbol": BTC})
    assert other.error == "no answer, and BTC/USDT was waited for in this cycle already"
    assert (await box.call(volume, {"symbol": ETH})).value == Told(number=2)
    assert (await box.call(remembered, {"symbol": BTC})).value == Told(number=3)


class Stopwatch:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def test_the_calls_of_a_cycle_share_the_time_that_it_has_to_read() -> None:
    stopwatch = Stopwatch()
    reads = CycleReads(cycle_s=2, read_s=1.5, monotonic=stopwatch)

    @tool(timeout_s=5, trust="own")
    async def slow(params: Asked, view: MarketView) -> Told:
        """Takes so many tenths of a second, and an eternity above 100."""
        if params.number > 100:
            await asyncio.Future()
        stopwatch.seconds += params.number / 10
        return Told(number=params.number)

    box = a_toolbox(slow, reads=reads)
    assert reads.limit(5, "") == (1.5, "no answer within 1.5 s")
    assert (await box.call(slow, {"number": 12})).ok
    stopwatch.seconds += 60  # a model thinks, and nobody reads
    assert reads.left_s == pytest.approx(0.8)
    assert reads.limit(5, "")[0] == pytest.approx(0.8)
    assert (await box.call(slow, {"number": 8})).ok
    assert reads.left_s == 0
    waits = await box.call(slow, {"number": 101})
    assert (waits.failure, waits.error) == ("timeout", "no answer within the 2 s that a cycle has to read")
    assert (await box.call(slow, {"number": 1})).ok, "what answers without a wait is read all the same"


async def test_calls_made_at_once_count_once() -> None:
    stopwatch, go = Stopwatch(), asyncio.Event()
    reads = CycleReads(cycle_s=2, monotonic=stopwatch)

    @tool(timeout_s=5, trust="own")
    async def together(params: Asked, view: MarketView) -> Told:
        """Answers when all may."""
        await go.wait()
        return Told(number=params.number)

    box = a_toolbox(together, reads=reads)
    calls = [asyncio.ensure_future(box.call(together, {"number": number})) for number in range(3)]
    await asyncio.sleep(0)
    stopwatch.seconds += 0.5
    assert reads.left_s == 1.5
    go.set()
    assert all(result.ok for result in await asyncio.gather(*calls))
    assert reads.left_s == 1.5


async def test_time_that_is_over_between_two_attempts_does_not_hide_what_went_wrong() -> None:
    stopwatch = Stopwatch()
    reads = CycleReads(cycle_s=0, monotonic=stopwatch)
    ask = a_tool(Script(VenueUnavailable("no quote yet")))
    result = await a_toolbox(ask, reads=reads, plumbing=Plumbing(TickClock(START))).call(ask, {"number": 1})
    assert (result.failure, result.error) == ("unavailable", "no quote yet")


async def test_what_is_on_the_tape_is_not_performed_again() -> None:
    tape, unheard = Tape(), Script()
    live = a_toolbox(a_tool(Script(None, ToolFailed("no"))), effects=tape)
    replay = a_toolbox(a_tool(unheard), effects=Tape(tape.rows))
    first = [await live.call("ask", {"number": number}) for number in (1, 2)]
    again = [await replay.call("ask", {"number": number}) for number in (1, 2)]
    assert (again, unheard.calls) == (first, 0)
    assert first[1].failure == "failed"


async def test_calls_made_at_once_are_numbered_in_the_order_they_are_started() -> None:
    tape = Tape()

    @tool(timeout_s=5, trust="own")
    async def late(params: Asked, view: MarketView) -> Told:
        """The first asked answers last."""
        for _ in range(10 - params.number):
            await asyncio.sleep(0)
        return Told(number=params.number)

    box = a_toolbox(late, effects=tape)
    results = await asyncio.gather(*(box.call(late, {"number": number}) for number in range(5)))
    assert [result.value for result in results] == [Told(number=number) for number in range(5)]
    assert [tape.rows[n][1] for n in range(5)] == [canonical(Asked(number=n)) for n in range(5)]


def test_two_tools_of_one_name_do_not_fit_in_one_box() -> None:
    with pytest.raises(ValueError, match="same name"):
        a_toolbox(a_tool(Script()), a_tool(Script()))
