"""A model that says what it was told to: for tests, under the same contract as a real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from agents.model import Completion, completion_of
from context.synthesis import Synthesis
from context.tokenizer import Tokenizer, Utf8Bytes

T = TypeVar("T", bound=BaseModel)


class ScriptedModel:
    """Answers with `steps` in order: an answer, or a text that is the failure.

    A call too many raises `AssertionError`, and `finish()` raises it for a step never used or a call
    too many that someone swallowed.
    """

    name = "scripted"
    paid = False

    def __init__(self, steps: Sequence[BaseModel | str]) -> None:
        self._steps = tuple(steps)
        self.prompts: list[Synthesis] = []
        """What it was asked, in order."""

    @property
    def tokenizer(self) -> Tokenizer:
        return Utf8Bytes()

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        self.prompts.append(prompt)
        if len(self.prompts) > len(self._steps):
            raise AssertionError(f"asked {len(self.prompts)} times, and the script has {len(self._steps)} steps")
        step = self._steps[len(self.prompts) - 1]
        if isinstance(step, str):
            return completion_of(schema)(model=self.name, failure=step)
        if not isinstance(step, schema):
            raise AssertionError(
                f"step {len(self.prompts)} is a {type(step).__name__}, and {schema.__name__} is asked for"
            )
        return completion_of(schema)(model=self.name, answer=step, finish="stop", text=step.model_dump_json())

    def finish(self) -> None:
        if len(self.prompts) != len(self._steps):
            raise AssertionError(f"the script has {len(self._steps)} steps, and {len(self.prompts)} were asked for")
