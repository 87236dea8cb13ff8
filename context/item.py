"""One thing the desk knows: a goal, a constraint, an assumption, evidence, a question or a decision."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from domain.digest import digest
from domain.errors import UsageError
from domain.text import visible
from domain.value import Amount, Instant, Share, Value

Kind = Literal["goal", "constraint", "assumption", "evidence", "question", "decision"]
Status = Literal["open", "closed"]
Trust = Literal["own", "venue", "untrusted"]
Priority = Literal["p0", "p1", "p2", "p3"]
Severity = Literal["low", "medium", "high", "critical"]

KINDS: tuple[Kind, ...] = get_args(Kind)
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

MAX_TEXT = 8_000
"""Characters. Longer text of our own is refused, longer untrusted text is cut and marked."""

ARCHIVED = "archived"
"""The context to validate an item of an archive in: its text stays as it was, whatever later versions break up."""

CUT = " […]"
"""What ends a text that was not kept whole."""

ItemId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
"""Shown to the model in brackets, and what it cites: letters, digits and `._:/@+-` only."""

Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
"""`lane:market-data` puts an item into a lane, `symbol:BTC/USDT` into that symbol's view."""


Readings = Annotated[Mapping[str, Amount], AfterValidator(MappingProxyType), PlainSerializer(dict)]
"""Numbers by name that nobody who is shown an item can change."""


class ContextItem(Value):
    """A piece of knowledge with its provenance. Upserting one again under its id merges the two.

    `created_at` is when it first came up; `available_at` is when this wording of it could be known:
    nothing is shown before it, and age and `ttl_s` count from it. `readings` are the numbers behind
    the text, for models that calculate; they are not rendered.
    """

    id: ItemId
    kind: Kind
    text: str
    tags: tuple[Tag, ...] = ()
    status: Status = "open"
    source: str
    reference: str = ""
    trust: Trust
    created_at: Instant
    available_at: Instant
    priority: Priority = "p2"
    severity: Severity = "low"
    confidence: Share = Decimal(1)
    ttl_s: Annotated[int, Field(gt=0)] | None = None
    pinned: bool = False
    may_shorten: bool = False
    readings: Readings = Field(default={}, validate_default=True)

    @field_validator("tags")
    @classmethod
    def _one_order(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(tags)))

    @field_validator("source", "reference")
    @classmethod
    def _labels_are_short(cls, text: str, info: ValidationInfo) -> str:
        return visible(text, limit=200, marks=info.context == ARCHIVED)

    @model_validator(mode="before")
    @classmethod
    def _text_is_visible(cls, data: object, info: ValidationInfo) -> object:
        # Before, so that what is measured and kept is what will be shown: one line, nothing hidden.
        if not isinstance(data, Mapping) or not isinstance(data.get("text"), str):
            return data
        archived = info.context == ARCHIVED
        text = visible(data["text"], limit=2 * len(data["text"]), marks=archived)
        if len(text) > MAX_TEXT and data.get("trust") == "untrusted":
            text = text[: MAX_TEXT - len(CUT)].rstrip() + CUT
        return {**data, "text": text}

    @model_validator(mode="after")
    def _text_has_a_limit(self) -> Self:
        if len(self.text) > MAX_TEXT:
            raise ValueError(f"text is {len(self.text)} characters long, more than {MAX_TEXT}")
        return self

    @property
    def digest(self) -> str:
        return digest(self)

    @property
    def required(self) -> bool:
        """Whether a prompt without it must not be sent: pinned, or a constraint of the highest priority."""
        return self.pinned or (self.kind == "constraint" and self.priority == "p0")

    def merged(self, newer: ContextItem) -> ContextItem:
        """This item with what `newer` says. A field that `newer` leaves out stays as it is, closed included.

        A wording that became available before this one comes late: it only fills in what this one leaves out, as
        if the two had come in their order.

        Raises `UsageError` when kind or trust differ: a feed can't take over a constraint's id.
        """
        if (newer.kind, newer.trust) != (self.kind, self.trust):
            raise UsageError(
                f"context item {self.id} is {self.trust} {self.kind}, not {newer.trust} {newer.kind}",
                remedy="Give the new item an id of its own",
            )
        names = newer.model_fields_set - {"created_at"}
        if newer.available_at < self.available_at:
            names -= self.model_fields_set
        changes = {name: getattr(newer, name) for name in names}
        return self.model_copy(update=changes)
