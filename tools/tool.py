"""A tool: one typed question about the market, with how long, how often and how far it may be trusted."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter

from domain.rate import Rate
from domain.value import Value
from tools.result import Failure, ToolResult
from tools.view import MarketView

P = TypeVar("P", bound=Value)
R = TypeVar("R", bound=Value)

Trust = Literal["own", "venue", "untrusted"]
"""Computed here, said by a venue, or written by anyone."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool(Generic[P, R]):
    """Made by `@tool`. `cost` is what a call takes from the tool's `rate`; `timeout_s` covers all attempts."""

    name: str
    description: str
    params: type[P]
    result: type[R]
    run: Callable[[P, MarketView], Awaitable[R]]
    timeout_s: float
    trust: Trust
    cost: int
    attempts: int
    rate: Rate | None
    returns: TypeAdapter[ToolResult[R]]
    """The recorded form of an answer."""

    def answer(self, value: R) -> ToolResult[R]:
        return ToolResult[R](name=self.name, value=value)

    def failed(self, failure: Failure, error: str) -> ToolResult[R]:
        return ToolResult[R](name=self.name, failure=failure, error=error)


def tool(
    *, timeout_s: float, trust: Trust, cost: int = 1, attempts: int = 3, rate: Rate | None = None
) -> Callable[[Callable[[P, MarketView], Awaitable[R]]], Tool[P, R]]:
    """Turn `async def name(params: P, view: MarketView) -> R` into a tool described by its docstring.

    Raises `TypeError` for a function of another shape: both types must be `Value`s, and a docstring is
    what a model would choose the tool by.
    """

    def decorate(function: Callable[[P, MarketView], Awaitable[R]]) -> Tool[P, R]:
        name, description = getattr(function, "__name__", ""), inspect.getdoc(function)
        hints = get_type_hints(function)
        params, result = hints.get("params"), hints.get("return")
        if not (description and _is_value(params) and _is_value(result) and inspect.iscoroutinefunction(function)):
            raise TypeError(f"tool {name!r} is not a documented `async def (params: Value, view: MarketView) -> Value`")
        return Tool(
            name=name,
            description=description,
            params=cast("type[P]", params),
            result=cast("type[R]", result),
            run=function,
            timeout_s=timeout_s,
            trust=trust,
            cost=cost,
            attempts=attempts,
            rate=rate,
            returns=TypeAdapter(ToolResult[result]),  # type: ignore[valid-type]
        )

    return decorate


def _is_value(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Value)
