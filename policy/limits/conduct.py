"""Limits on how the desk behaves: how often it acts, in whose name, and how sure it is."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from domain.value import NonNegative, Share
from policy.limits.section import Count, Graded, Seconds, Section, Soft, Switch, Tighter

Mode = Literal["paper", "live"]
AgentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class DayLimits(Section):
    """When a day begins, for everything that is counted by day or week. Weeks begin on Monday."""

    starts: Clock = "00:00"
    time_zone: str = "UTC"
    """An IANA name, as `America/New_York`."""


class ReviewLimits(Section):
    """How a person is asked."""

    ttl_s: Annotated[Seconds, Tighter.LOWER] = 3_600
    """For how long a question stands; unanswered it counts as no."""
    overrides: Annotated[Switch, Tighter.FALSE] = False
    """Whether a person is also asked about refusals that can be waived for one order."""


class RateLimits(Graded):
    """How many orders may be sent in a moving window."""

    window_s: Annotated[Seconds, Tighter.HIGHER]
    per_symbol: Annotated[Count, Tighter.LOWER]
    in_all: Annotated[Count, Tighter.LOWER]
    kept_for_exits: Annotated[Count, Tighter.HIGHER] = 0
    """Of `in_all` and of `per_symbol`, what entries leave free."""


class RepetitionLimits(Section):
    """How often one agent may enter the same symbol before it is stopped there until a person re-arms it."""

    entries: Annotated[Count, Tighter.LOWER]
    window_s: Annotated[Seconds, Tighter.HIGHER]


class DuplicateLimits(Section):
    """For how long an order like one just sent is taken for the same one again."""

    window_s: Annotated[Seconds, Tighter.HIGHER]


class AuthorityLimits(Section):
    """Who may propose orders, and where."""

    modes: Annotated[frozenset[Mode], Tighter.FEWER] = frozenset(get_args(Mode))
    """Which desks may enter by this policy: `paper`, `live`."""
    agents: Annotated[frozenset[AgentName], Tighter.FEWER] = frozenset({"risk"})
    decision_required: Annotated[Switch, Tighter.TRUE] = True
    """Whether an entry must name the archived context that it was decided on."""


class ConvictionLimits(Soft):
    """How sure an entry must be."""

    minimum: Annotated[Share, Tighter.HIGHER]
    review_below: Annotated[Share | None, Tighter.HIGHER] = None
    """From `minimum` up to here a person decides."""


class BudgetLimits(Soft):
    """What the agents may use in a day before entries stop."""

    usd: Annotated[NonNegative | None, Tighter.LOWER] = None
    """Spent on models. With a limit, a price that is unknown refuses."""
    tokens: Annotated[int | None, Field(ge=0, le=10**12, strict=True), Tighter.LOWER] = None
    tool_calls: Annotated[Count | None, Tighter.LOWER] = None
    refusals_in_a_row: Annotated[int | None, Field(ge=1, le=1_000_000, strict=True), Tighter.LOWER] = None
    """After so many refused entries in a row something is wrong, and a person should look."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        limits = (self.usd, self.tokens, self.tool_calls, self.refusals_in_a_row)
        if self.enabled and all(limit is None for limit in limits):
            raise ValueError("set usd, tokens, tool_calls or refusals_in_a_row")
        return self
