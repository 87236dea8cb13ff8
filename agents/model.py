"""The contract of a language model: a prompt and a schema in, an answer or a named failure out."""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, Field, NonNegativeInt, model_validator

from context.synthesis import Synthesis
from context.tokenizer import Tokenizer
from domain.value import NonNegative, Value, absent

T = TypeVar("T", bound=BaseModel)

MOST_CHARS = 8_000
"""Of a raw answer, how much is kept."""


class Spend(Value):
    """Tokens, and what they cost in US dollars; `None` is a price that nobody knows."""

    tokens: NonNegativeInt = 0
    usd: NonNegative | None = Decimal(0)

    def __add__(self, other: Spend) -> Spend:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Spend(tokens=self.tokens + other.tokens, usd=usd)

    def times(self, count: int) -> Spend:
        return Spend(tokens=self.tokens * count, usd=None if self.usd is None else self.usd * count)


NOTHING = Spend()


class Completion(Value, Generic[T]):
    """What came of one question. Without an `answer` there is a `failure`, which is an abstention upstream.

    `output_tokens` is all that was generated and billed, `reasoning_tokens` the part of it that was not
    shown. `cost_usd` is `None` when nobody knows the price; that is not zero.
    """

    model: str
    answer: T | None = None
    failure: str = ""
    """Its kind, a colon, and words: `length: cut at 4000 tokens`. Never holds a secret."""
    retryable: bool = False
    """Whether the same question may be answered later."""
    input_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    reasoning_tokens: NonNegativeInt = 0
    cost_usd: NonNegative | None = None
    finish: str = ""
    text: str = ""
    """The raw answer, cut at `MOST_CHARS`."""
    notes: tuple[str, ...] = Field(default=(), exclude_if=absent)
    """What of the answer was left aside."""
    unsettled: Spend | None = Field(default=None, exclude_if=absent)
    """The most that attempts without an answer may have been billed for: nobody told what they cost."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.answer is None) == (self.failure == ""):
            raise ValueError("a completion has either an answer or a failure")
        return self


def completion_of(schema: type[T]) -> type[Completion[T]]:
    """The class of completions whose answer is a `schema`, known when it runs and not before."""
    return Completion[schema]  # type: ignore[valid-type]


class Meter(Protocol):
    """Where a call reserves what a further attempt may cost, before it is made."""

    def again(self, most: Spend) -> str:
        """Reserve `most`; why not, where the day's budget has no room for it."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A language model that knows beforehand what a question may cost at most."""

    attempts: int
    """How often one question is asked at most."""

    def most(self, prompt: Synthesis) -> Spend:
        """The most that one attempt may be billed for."""
        ...

    async def ask_within(self, prompt: Synthesis, schema: type[T], *, meter: Meter) -> Completion[T]:
        """As `ask`, where one attempt is reserved and further ones ask `meter` first."""
        ...


class LanguageModel(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def paid(self) -> bool:
        """Whether asking costs money, so that an answer must be kept before anything else happens."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """What a prompt for this model is counted with."""
        ...

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        """Ask once. A bad answer and a provider's error are failures in the completion, never raised."""
        ...
