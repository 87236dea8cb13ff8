"""The `rules` analyst: a deterministic model that needs no key, and the default.

It reads the structured readings of the context items it is shown, as a language model reads their
text; what was left out of the prompt it does not know. It weighs four views, each in [-1, 1]:
trend (directional movement by ADX), momentum (MACD histogram in average true ranges), reversion
(RSI, only where there is no trend) and news (mean sentiment).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from agents.model import Completion, completion_of
from context import Synthesis
from context.tokenizer import Pieces, Tokenizer
from domain.decision import Opinion, Stance
from domain.digest import canonical

T = TypeVar("T", bound=BaseModel)

WEIGHTS: Final[Mapping[str, Decimal]] = {
    "trend": Decimal("0.45"),
    "momentum": Decimal("0.20"),
    "reversion": Decimal("0.30"),
    "news": Decimal("0.15"),
}
ACT_ABOVE: Final = Decimal("0.15")
"""A total weaker than this is a hold."""

_ONE: Final = Decimal(1)
_CENT: Final = Decimal("0.01")


def _clamped(value: Decimal) -> Decimal:
    return max(-_ONE, min(_ONE, value))


def views(readings: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Each view that the readings allow, in [-1, 1]; positive speaks for buying."""
    by_name: dict[str, Decimal] = {}
    adx = readings.get("adx_14")
    if adx is not None and "plus_di_14" in readings and "minus_di_14" in readings:
        plus, minus = readings["plus_di_14"], readings["minus_di_14"]
        if plus + minus > 0:
            by_name["trend"] = _clamped((plus - minus) / (plus + minus) * min(_ONE, adx / 25) * 2)
    if "macd_histogram" in readings and readings.get("atr_14", Decimal(0)) > 0:
        by_name["momentum"] = _clamped(readings["macd_histogram"] / readings["atr_14"] * 4)
    if "rsi_14" in readings and adx is not None and adx < 25:
        by_name["reversion"] = _clamped((50 - readings["rsi_14"]) / 25)
    if "sentiment" in readings:
        by_name["news"] = _clamped(readings["sentiment"])
    return by_name


def judge(prompt: Synthesis) -> Opinion:
    """The analyst's opinion on what a prompt shows. Without market readings it abstains."""
    readings: dict[str, Decimal] = {}
    cited: list[str] = []
    for chosen in prompt.selected:
        if chosen.item.readings:
            readings |= chosen.item.readings
            cited.append(chosen.item.id)
    by_name = views(readings)
    if not by_name.keys() - {"news"}:
        return Opinion(stance="abstain", conviction=Decimal(0), rationale="no market readings to judge by")
    total = sum((WEIGHTS[name] * view for name, view in by_name.items()), Decimal(0))
    losing = readings.get("win_rate", _ONE) < Decimal("0.34") and readings.get("closed_trades", Decimal(0)) >= 4
    needed = ACT_ABOVE * 2 if losing else ACT_ABOVE
    stance: Stance = "hold" if abs(total) < needed else "buy" if total > 0 else "sell"
    conviction = min(Decimal("0.95"), Decimal("0.5") + abs(total)).quantize(_CENT)
    listing = ", ".join(f"{name} {view:+.2f}" for name, view in sorted(by_name.items()))
    caution = "; twice the usual margin after losing trades" if losing else ""
    return Opinion(
        stance=stance,
        conviction=conviction,
        horizon="intraday",
        evidence=tuple(cited),
        rationale=f"{listing}; total {total:+.2f}{caution}",
    )


class RulesModel:
    """A `LanguageModel` without a language: `judge` behind the same contract as every provider."""

    name: Final = "rules"
    paid: Final = False

    def __init__(self) -> None:
        self._tokenizer = Pieces()

    @property
    def tokenizer(self) -> Tokenizer:
        return self._tokenizer

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        """Answer for `Opinion`; any other schema is a failure, as it is for a model that can't follow one."""
        text = canonical(judge(prompt))
        completion = completion_of(schema)
        try:
            answer = schema.model_validate_json(text)
        except ValidationError:
            return completion(model=self.name, failure=f"schema: the rules analyst can't answer {schema.__name__}")
        return completion(
            model=self.name,
            answer=answer,
            input_tokens=prompt.tokens.used,
            output_tokens=self._tokenizer.count(text),
            cost_usd=Decimal(0),
            finish="stop",
            text=text,
        )
