"""The one way to call a tool. Around every call, in this order: tape, cache, rate, breaker, timeout, retry."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar, cast, overload

from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from domain.breaker import Breaker
from domain.digest import canonical
from domain.effects import Effects
from domain.errors import NotFound, VenueUnavailable, worth_asking_again
from domain.text import visible
from domain.value import Value
from tools.cycle_reads import CycleReads
from tools.resilience import Plumbing
from tools.result import UNANSWERED, ToolResult, ToolRetry, failure_of, words_of
from tools.tool import Tool
from tools.view import MarketView

P = TypeVar("P", bound=Value)
R = TypeVar("R", bound=Value)

_WORTH_ANOTHER_TRY = retry_if_exception(
    lambda error: (
        isinstance(error, ToolRetry)
        or (isinstance(error, VenueUnavailable | TimeoutError) and worth_asking_again(error))
    )
)
_BACKOFF = wait_exponential(multiplier=0.1, max=2)


class Toolbox:
    """The tools of one agent at one moment. What a call raises becomes a `ToolResult` with a name.

    Calls made at once are numbered on the tape in the order they are started, since nothing is awaited
    before the effect. A call that failed fails at once when it is made again in the same cycle, in the same words.
    """

    def __init__(
        self,
        tools: Sequence[Tool[Any, Any]],
        *,
        view: MarketView,
        effects: Effects,
        plumbing: Plumbing,
        reads: CycleReads | None = None,
    ) -> None:
        """`reads` are those of the cycle; without any, failures are kept for as long as the box."""
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("two tools have the same name")
        self._view = view
        self._effects = effects
        self._plumbing = plumbing
        self._reads = reads or CycleReads(monotonic=plumbing.monotonic)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    @overload
    async def call(self, tool: Tool[P, R], params: P | Mapping[str, object]) -> ToolResult[R]: ...

    @overload
    async def call(self, tool: str, params: Value | Mapping[str, object]) -> ToolResult[Value]: ...

    async def call(
        self, tool: Tool[P, R] | str, params: Value | Mapping[str, object]
    ) -> ToolResult[R] | ToolResult[Value]:
        """Ask `tool`. Raises `NotFound` for a tool that is not in this box, and nothing else of its own."""
        name = tool if isinstance(tool, str) else tool.name
        registered = self._tools.get(name)
        if registered is None or (not isinstance(tool, str) and registered is not tool):
            raise NotFound(f"no tool {name!r} here", remedy=f"There are: {', '.join(self._tools) or 'none'}")
        try:
            request = registered.params.model_validate(params)
        except ValidationError as error:
            return registered.failed("invalid", _problems(error))
        question, symbol = self._question(registered, request), self._symbol(request)
        result = await self._effects.once(
            f"tool:{name}", request, returns=registered.returns, perform=lambda: self._cached(registered, request)
        )
        self._reads.keep(question, result, symbol=symbol)
        return result

    def _question(self, tool: Tool[P, R], params: P) -> Hashable:
        """What was asked, when, and by whom the answer may be seen."""
        return (tool.name, canonical(params), self._view.as_of, self._view.universe)

    def _symbol(self, params: Value) -> str:
        """What a question is about; empty for one about everything, and for symbols that nobody trades here."""
        symbol = getattr(params, "symbol", None)
        return symbol if isinstance(symbol, str) and symbol in self._view.universe else ""

    async def _cached(self, tool: Tool[P, R], params: P) -> ToolResult[R]:
        """Answers are kept for other agents, and failures for the rest of the cycle."""
        cache, question = self._plumbing.cache, self._question(tool, params)
        cached = cache.get(question) or self._reads.failure(question)
        if cached is not None:
            return cast("ToolResult[R]", cached)
        with self._reads.under_way():
            result = await self._in_turn(tool, params)
        if result.ok:
            cache.put(question, result)
        return result

    async def _in_turn(self, tool: Tool[P, R], params: P) -> ToolResult[R]:
        if tool.rate is not None:
            bucket = self._plumbing.bucket(tool.name, tool.rate)
            within_s, _ = self._reads.limit(tool.timeout_s, self._symbol(params))
            wait_s = bucket.reserve(tool.cost, now=self._plumbing.now(), within_s=within_s)
            if wait_s is None:
                return tool.failed("rate_limited", f"no turn within {within_s:g} s")
            if wait_s:
                await self._plumbing.sleep(wait_s)
        return await self._guarded(tool, params)

    async def _guarded(self, tool: Tool[P, R], params: P) -> ToolResult[R]:
        """Behind two breakers: that of the symbol, and that of the tool for when no symbol is answered any more."""
        now, admitted = self._plumbing.now(), list[Breaker]()
        for symbol in dict.fromkeys((self._symbol(params), "")):
            breaker = self._plumbing.breaker(tool.name, symbol)
            if not breaker.admits(now):
                for other in admitted:
                    other.release()
                about = f" about {symbol}" if symbol else ""
                error = f"it failed several times in a row{about} and is left alone for a while"
                return tool.failed("open_circuit", error)
            admitted.append(breaker)
        try:
            result = tool.answer(await self._retried(tool, params))
        except Exception as error:  # a tool call is one of the boundaries that must go on
            result = tool.failed(failure_of(error), words_of(error))
        except BaseException:
            for breaker in admitted:
                breaker.release()
            raise
        for breaker in admitted:
            breaker.settle(self._plumbing.now(), answered=result.failure not in UNANSWERED)
        return result

    async def _retried(self, tool: Tool[P, R], params: P) -> R:
        """Attempts share one time limit; a time limit inside an attempt, a client's own, is worth another.

        When it is over between two attempts, what the first one came to says more than that.
        """
        last: Exception | None = None

        async def attempt() -> R:
            nonlocal last
            last = None
            try:
                return await tool.run(params, self._view)
            except Exception as error:
                last = error
                raise

        attempts = AsyncRetrying(
            retry=_WORTH_ANOTHER_TRY,
            stop=stop_after_attempt(tool.attempts),
            wait=_BACKOFF,
            sleep=self._plumbing.sleep,
            reraise=True,
        )
        limit_s, words = self._reads.limit(tool.timeout_s, self._symbol(params))
        expired = asyncio.timeout(limit_s)
        try:
            async with expired:
                return await attempts(attempt)
        except TimeoutError as error:
            if expired.expired():
                raise last or TimeoutError(words) from error
            raise


def _problems(error: ValidationError) -> str:
    """Every field that does not fit, without repeating what was given."""
    problems = (f"{'.'.join(map(str, each['loc'])) or 'parameters'}: {each['msg']}" for each in error.errors())
    return visible("; ".join(problems), limit=300)
