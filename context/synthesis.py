"""What a synthesis gives: the messages, what was selected and what was left out with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from context.brief import Brief
from context.entry import Entry
from context.item import ContextItem
from context.lane import LaneSettings, LaneState
from context.prompt import Message
from domain.digest import digest

Reason = Literal["closed", "no_lane", "disabled", "muted", "not_yet_available", "stale", "duplicate", "cap", "budget"]


@dataclass(frozen=True, slots=True)
class Selected:
    """An item that is sent, with its score in [0, 1] and the tokens of its line.

    `carried` is the part of the score that its wording keeps: all of it unless it was shortened.
    """

    item: ContextItem
    lane: str
    score: Decimal
    carried: Decimal
    tokens: int
    line: str
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """An item that is not sent, and why.

    Score and tokens are known of what came to packing and found no room, and of what would have come to it
    were its lane not muted.
    """

    item_id: str
    lane: str
    reason: Reason
    tokens: int | None = None
    instead: str = ""
    """The item that tells the same story, for a duplicate."""
    score: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LaneUsage:
    """What one lane holds of the prompt."""

    lane: str
    state: LaneState
    mandatory: bool
    floor: int
    sent: int
    left_out: int
    tokens: int


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of the whole prompt by the named tokenizer. `used` never exceeds `budget`."""

    used: int
    budget: int
    tokenizer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """A prompt within its budget, and everything it was made from."""

    messages: tuple[Message, ...]
    selected: tuple[Selected, ...]
    dropped: tuple[Dropped, ...]
    lanes: tuple[LaneUsage, ...]
    tokens: TokenCount
    as_of: datetime
    brief: Brief
    settings: LaneSettings
    entries: tuple[Entry, ...]
    """All items of the book, by id, prepared."""

    @property
    def items(self) -> tuple[ContextItem, ...]:
        return tuple(entry.item for entry in self.entries)

    @property
    def points(self) -> Decimal:
        """The score that it carries in all."""
        return sum((one.carried for one in self.selected), Decimal(0))

    @property
    def digest(self) -> str:
        """Over everything that came out: equal when and only when a replay gave the same."""
        return digest(
            {
                "messages": [[message.role, message.content] for message in self.messages],
                "selected": [[s.item.id, s.lane, s.score, s.tokens, s.shortened] for s in self.selected],
                "dropped": [[d.item_id, d.lane, d.reason, d.tokens, d.instead, d.score] for d in self.dropped],
                "tokens": [self.tokens.used, self.tokens.budget, self.tokens.tokenizer],
                "as_of": self.as_of,
            }
        )
