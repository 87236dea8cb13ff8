"""Lanes: which items compete with which, by what weights, and how much room they are sure of."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from context.item import ContextItem, Tag
from domain.digest import digest
from domain.value import NonNegative, Share, Value

LaneState = Literal["enabled", "muted", "disabled"]
LaneId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class TagFilter(Value):
    """What a lane takes: any of these tags, all of these, none of these. An empty list asks nothing."""

    any_of: tuple[Tag, ...] = ()
    all_of: tuple[Tag, ...] = ()
    none_of: tuple[Tag, ...] = ()

    def takes(self, item: ContextItem) -> bool:
        tags = set(item.tags)
        return (
            (not self.any_of or not tags.isdisjoint(self.any_of))
            and tags.issuperset(self.all_of)
            and tags.isdisjoint(self.none_of)
        )


class Weights(Value):
    """What counts how much in a lane's scores. Only their proportions matter."""

    severity: NonNegative = Decimal(1)
    confidence: NonNegative = Decimal(1)
    priority: NonNegative = Decimal(2)
    recency: NonNegative = Decimal(2)
    pin: NonNegative = Decimal(1)

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not self.total:
            raise ValueError("at least one weight must be above zero")
        return self

    @property
    def total(self) -> Decimal:
        return self.severity + self.confidence + self.priority + self.recency + self.pin


class Lane(Value):
    """One lane. Takes what is tagged `lane:<id>` unless `takes` says otherwise.

    `floor` tokens are its own whatever the other lanes hold. Of what is left after all floors it may
    take at most the part `share`: a limit, not a claim, so that shares may add up to more than one.
    A mandatory lane is sent whole or not at all, and so has no cap and is enabled. `muted` is ranked, capped and
    shown like any other, and not sent; `disabled` is not looked at.
    """

    id: LaneId
    state: LaneState = "enabled"
    mandatory: bool = False
    takes: TagFilter | None = None
    weights: Weights = Weights()
    half_life_s: Annotated[int, Field(gt=0)] = 3_600
    item_cap: Annotated[int, Field(gt=0)] | None = None
    floor: Annotated[int, Field(ge=0)] = 0
    share: Share = Decimal(1)

    @model_validator(mode="after")
    def _mandatory_is_whole(self) -> Self:
        if self.mandatory and self.item_cap is not None:
            raise ValueError("a mandatory lane is sent whole: it can't have an item_cap")
        if self.mandatory and self.state != "enabled":
            raise ValueError(f"a mandatory lane is sent: it can't be {self.state}")
        return self

    def accepts(self, item: ContextItem) -> bool:
        return self.takes.takes(item) if self.takes else f"lane:{self.id}" in item.tags


class LaneSettings(Value):
    """All lanes, in the order in which they are rendered."""

    lanes: Annotated[tuple[Lane, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [lane.id for lane in self.lanes]
        twice = sorted({lane for lane in ids if ids.count(lane) > 1})
        if twice:
            raise ValueError(f"lane given twice: {', '.join(twice)}")
        return self

    @property
    def digest(self) -> str:
        return digest(self)

    def lane_of(self, item: ContextItem) -> Lane | None:
        """The one lane that an item counts in: the first that would send it, else the first that takes it."""
        taking = [lane for lane in self.lanes if lane.accepts(item)]
        if len(taking) == 1:  # as nearly always
            return taking[0]
        return min(taking, key=lambda lane: _OPENNESS[lane.state], default=None)


_OPENNESS: dict[LaneState, int] = {"enabled": 0, "muted": 1, "disabled": 2}

DEFAULT_LANES = LaneSettings(
    lanes=(
        Lane(id="strategy", mandatory=True, half_life_s=604_800),
        Lane(id="risk-factors", mandatory=True, half_life_s=86_400),
        Lane(id="market-data", half_life_s=1_800, item_cap=40, floor=400),
        Lane(id="market-events", half_life_s=14_400, item_cap=30, floor=200, share=Decimal("0.6")),
        Lane(id="news-sentiment", half_life_s=7_200, item_cap=30, floor=200, share=Decimal("0.5")),
    )
)
