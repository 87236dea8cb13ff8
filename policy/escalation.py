"""What losses ask for before and at their limits: smaller entries, an alert, half of a position, an end.

Decides only; who cancels, sells or halts is told by the answer. The same `size_factor` sizes an entry
and judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Literal

from domain.money import ZERO
from domain.value import NonNegative, Value
from policy.account import EquityMarks
from policy.exact import DOWN, EXACT
from policy.limits.account import EscalationSteps
from policy.policy import Policy
from policy.ruling import FactMissing
from policy.used import Used, loss_from

Step = Literal["none", "alert", "halve", "flatten"]
LossCode = Literal["DAILY_LOSS", "WEEKLY_LOSS", "DRAWDOWN"]
"""The codes of the checks whose limits lead to steps."""

DAY_START = "the equity at the start of the day"
WEEK_START = "the equity at the start of the week"
HIGH = "the high-water mark of the equity"

_ONE = Decimal(1)
_FACTOR_GRAIN = Decimal("1e-6")
_USED_GRAIN = Decimal("1e-4")
_MOST = Decimal(1_000)


class Escalation(Value):
    """The step that the nearest of the loss limits asks for. What is unknown asks for none."""

    step: Step = "none"
    used: NonNegative = ZERO
    """Part of the nearest limit that is used, rounded down to four places; 1000 at most, and of a limit of nothing."""
    code: LossCode | None = None
    """The nearest limit; none where nothing is lost or known."""
    reason: str = ""
    """What could not be counted, and why."""


def escalation(policy: Policy, marks: EquityMarks, equity: Decimal | None) -> Escalation:
    """The strictest step of `policy` that the largest used part of a loss limit reaches, at it or beyond.

    `equity` is in the currency of `marks`, `None` when it can't be told. Limits that are missing, turned
    off or without their mark are left out: nothing is sold on what is not known. Raises `Inexact` for
    numbers beyond a hundred digits.
    """
    steps = policy.escalation
    if steps is None:
        return Escalation(reason="the policy has no escalation")
    if not steps.enabled:
        return Escalation(reason="turned off by the policy")
    if equity is None:
        return Escalation(reason="the equity is unknown")
    nearest, code, unknown = Used(ZERO, ZERO), None, []
    with localcontext(EXACT):
        for name, loss in _losses(policy, marks, equity):
            if isinstance(loss, str):
                unknown.append(loss)
            elif loss.exceeds(nearest):
                nearest, code = loss, name
        step = _step(steps, nearest)
        used = _part(nearest)
    return Escalation(step=step, used=used, code=code, reason="; ".join(unknown))


def size_factor(policy: Policy, marks: EquityMarks, equity: Decimal) -> Decimal:
    """The part of the largest entry, from 0 to 1, that drawdown leaves; rounded down to six places.

    One up to `sizes_fall_from` of the drawdown limit, then falling in a line to nothing at the limit and
    beyond, where the check refuses; where `sizes_fall_from` is one, all at once. Nothing where the limit or the
    high-water mark is missing, since such an entry is refused anyway. Raises `Inexact` for numbers beyond a
    hundred digits.
    """
    limits = policy.drawdown
    if limits is None:
        return ZERO
    with localcontext(EXACT):
        try:
            fall = loss_from(marks.high, equity, share=limits.share_of_high, called=HIGH)
        except FactMissing:
            return ZERO
        if fall.reaches(_ONE):
            return ZERO
        full_until = limits.sizes_fall_from * fall.limit
        if fall.amount <= full_until:
            return _ONE
        return DOWN.divide(fall.limit - fall.amount, fall.limit - full_until).quantize(_FACTOR_GRAIN, context=DOWN)


def _losses(policy: Policy, marks: EquityMarks, equity: Decimal) -> Iterator[tuple[LossCode, Used | str]]:
    """Each limit with its loss, or with why it can't be told. A limit that is turned off is none."""
    daily, weekly, drawdown = policy.daily_loss, policy.weekly_loss, policy.drawdown
    limits: tuple[tuple[LossCode, Decimal | None, Decimal | None, str], ...] = (
        ("DAILY_LOSS", daily.share_of_day_start if daily else None, marks.day_start, DAY_START),
        ("WEEKLY_LOSS", weekly.share_of_week_start if weekly else None, marks.week_start, WEEK_START),
        ("DRAWDOWN", drawdown.share_of_high if drawdown else None, marks.high, HIGH),
    )
    for code, share, mark, called in limits:
        if code == "WEEKLY_LOSS" and weekly is not None and not weekly.enabled:
            continue
        if share is None:
            yield code, f"the policy sets no limit for {code}"
            continue
        try:
            yield code, loss_from(mark, equity, share=share, called=called)
        except FactMissing as missing:
            yield code, missing.message


def _step(steps: EscalationSteps, nearest: Used) -> Step:
    if nearest.reaches(steps.flatten_at):
        return "flatten"
    if nearest.reaches(steps.halve_at):
        return "halve"
    return "alert" if nearest.reaches(steps.alert_at) else "none"


def _part(nearest: Used) -> Decimal:
    if not nearest.amount:
        return ZERO
    if nearest.reaches(_MOST):
        return _MOST
    return DOWN.divide(nearest.amount, nearest.limit).quantize(_USED_GRAIN, context=DOWN)
