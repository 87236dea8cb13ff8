"""The day's budget for models: reserved before a model is asked, settled by what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter

from agents.model import NOTHING, Completion, LanguageModel, Metered, Spend
from context import Synthesis
from domain.digest import digest, plain
from domain.effects import Effects
from domain.errors import ReplayDiverged
from policy.limits.conduct import BudgetLimits

T = TypeVar("T", bound=BaseModel)

_REFUSAL: Final = TypeAdapter(str)


class Budget:
    """What is left of a day's budget within one cycle, whose questions may be asked at once.

    `before` reads what closed cycles used, `now` says what this one has come to. A limit in dollars can't hold back a
    model of unknown price: after it was asked, the gate refuses entries instead.
    """

    def __init__(
        self, limits: BudgetLimits | None, *, before: Callable[[], Awaitable[Spend]], now: Callable[[], Spend]
    ) -> None:
        self._limits = limits if limits is not None and limits.enabled and limits.on_breach != "warn" else None
        self._read = before
        self._now = now
        self._lock = asyncio.Lock()
        self._before: Spend | None = None
        self._reserved: list[Spend] = []

    async def reserve(self, most: Spend) -> str:
        """Reserve `most`; why not, where there is no room for it."""
        async with self._lock:
            self._before = self._before or await self._read()
        return self.reserve_more(most)

    def reserve_more(self, most: Spend) -> str:
        """As `reserve`, after what was used before is known."""
        refusal = self._refusal(most)
        if not refusal:
            self._reserved.append(most)
        return refusal

    def release(self, most: Spend) -> None:
        """Take back what was reserved: it has become a spend, or nothing."""
        self._reserved.remove(most)

    def _refusal(self, most: Spend) -> str:
        limits = self._limits
        if limits is None:
            return ""
        used = (self._before or NOTHING) + self._now()
        for reserved in self._reserved:
            used += reserved
        if limits.tokens is not None and used.tokens + most.tokens > limits.tokens:
            return _words(Decimal(most.tokens), Decimal(used.tokens), Decimal(limits.tokens), "tokens")
        if limits.usd is None or used.usd is None or most.usd is None or used.usd + most.usd <= limits.usd:
            return ""
        return _words(most.usd, used.usd, limits.usd, "USD")


def _words(most: Decimal, used: Decimal, limit: Decimal, unit: str) -> str:
    return (
        f"the model was not asked: that may take {plain(most)} {unit}, and {plain(used)} of the day's {plain(limit)} "
        f"{unit} of AGENT_BUDGET are used or reserved"
    )


class Reservation:
    """One question to a model that costs money: what is reserved for it, and how it is asked."""

    def __init__(self, budget: Budget, model: LanguageModel, prompt: Synthesis) -> None:
        self._budget = budget
        self._model = model
        self._prompt = prompt
        self._reserved: list[Spend] = []
        self._made = False

    async def granted(self, effects: Effects) -> str:
        """Reserve one attempt, as an effect that is durable before the model is asked. Why not, where it is refused.

        Archives of versions that reserved nothing hold no such effect, and every question in them was asked.
        """
        try:
            return await effects.once(
                "budget", digest(self._prompt.messages), returns=_REFUSAL, perform=self._reserve, durable=True
            )
        except ReplayDiverged:
            return ""

    async def _reserve(self) -> str:
        self._made = True
        most = self._most()
        refusal = await self._budget.reserve(most)
        if not refusal:
            self._reserved.append(most)
        return refusal

    async def ask(self, schema: type[T]) -> Completion[T]:
        """Ask the model. Where the reservation was made before a crash, what was asked then counts as billed."""
        if not isinstance(self._model, Metered):
            return await self._model.ask(self._prompt, schema)
        lost = NOTHING if self._made else self._most().times(self._model.attempts)
        answer = await self._model.ask_within(self._prompt, schema, meter=self)
        if lost == NOTHING:
            return answer
        return answer.model_copy(update={"unsettled": (answer.unsettled or NOTHING) + lost})

    def again(self, most: Spend) -> str:
        """See `agents.model.Meter`."""
        refusal = self._budget.reserve_more(most)
        if not refusal:
            self._reserved.append(most)
        return refusal

    def settle(self) -> None:
        """What came of the question is counted: nothing is reserved for it any more."""
        while self._reserved:
            self._budget.release(self._reserved.pop())

    def _most(self) -> Spend:
        """One attempt; of a model that does not tell, what its prompt has."""
        if isinstance(self._model, Metered):
            return self._model.most(self._prompt)
        return Spend(tokens=self._prompt.tokens.used, usd=None)
