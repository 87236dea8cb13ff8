"""Proposals as they can be judged: copies of exact types, and what stands in the place of one that can't be read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from pydantic import ValidationError

from domain.decision import Proposal
from domain.digest import digest
from domain.errors import NotCanonical, NotExact
from domain.exact import exact, parts_of

_STAND_IN: Final[dict[str, object]] = {
    "cycle": 0,
    "as_of": datetime(1970, 1, 1, tzinfo=UTC),
    "agent": "unreadable",
    "symbol": "UNREADABLE/UNREADABLE",
    "side": "buy",
    "type": "market",
    "quantity": Decimal("1E-100"),
}
"""For what a verdict must say of any proposal. No policy allows such an order: its quantity is no market's."""

_WHERE: Final = ("cycle", "as_of", "agent", "symbol", "side")
"""What is kept of a proposal that can't be read, each where it can be: where it came from and what it was about."""


def readable(proposal: Proposal) -> tuple[Proposal, str]:
    """A copy of `proposal` of exact types, validated and with a digest, and nothing to say against it.

    Else why it can't be read, and the proposal that stands for it wherever one must be named or archived. Never raises.
    """
    try:
        return exact(Proposal, proposal), ""
    except NotExact as error:
        why = error.message
    parts, _ = parts_of(Proposal, proposal)
    usable = {name: parts[name] for name in _WHERE if name in parts and _fits(name, parts[name])}
    rationale = f"stands for a proposal that can't be read: {why}"
    return Proposal.model_validate({**_STAND_IN, **usable, "rationale": rationale}), why


def _fits(name: str, part: object) -> bool:
    try:
        digest(Proposal.model_validate({**_STAND_IN, name: part}))
    except (ValidationError, NotCanonical):
        return False
    return True
