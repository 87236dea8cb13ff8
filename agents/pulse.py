"""One short question to a model, to see whether it can be asked at all. It is paid for like any other."""

from __future__ import annotations

from datetime import datetime

from agents.answers import answer_schema
from agents.model import Completion, LanguageModel
from context import Brief, ContextBook
from domain.digest import canonical, plain
from domain.value import Value


class Pulse(Value):
    """What a model is asked for, to see that it answers."""

    alive: bool


async def pulse(model: LanguageModel, *, at: datetime) -> Completion[Pulse]:
    """What came of the question. One that the provider does not take fails with a kind of `agents.faults`."""
    brief = Brief(
        system="This is a test of the connection.",
        instructions="Answer that you are alive.",
        answer_schema=canonical(answer_schema(Pulse)),
        subject="",
    )
    prompt = ContextBook().synthesize(budget=1_000, tokenizer=model.tokenizer, as_of=at, brief=brief)
    return await model.ask(prompt, Pulse)


def spent_on(completion: Completion[Pulse]) -> str:
    """What the question cost, in words."""
    tokens = completion.input_tokens + completion.output_tokens
    cost = "a price that is unknown" if completion.cost_usd is None else f"{plain(completion.cost_usd)} USD"
    return f"{tokens} tokens at {cost}"
