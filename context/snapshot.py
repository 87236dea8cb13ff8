"""Snapshots: all that is needed to synthesise again, with what the model was asked and what it answered.

A snapshot is flat and holds no other: it points at items, lanes and brief by digest, and may name the
one before it. Those bodies are `blobs`, which an archive stores once however many snapshots share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from context.book import ContextBook
from context.brief import Brief
from context.item import ContextItem
from context.lane import LaneSettings
from context.synthesis import Reason, Synthesis
from context.tokenizer import Tokenizer
from domain.digest import GENESIS, canonical, digest, sha256
from domain.errors import NotFound, Refused, UsageError
from domain.value import Digest, Instant, NonNegative, Value


class ModelRequest(Value):
    """What was asked for beside the messages. `settings` is canonical JSON; secrets have no place in it."""

    model: str
    settings: str = "{}"


class ModelAnswer(Value):
    """What came back: the parsed answer as canonical JSON, or why there is none."""

    body: str = ""
    failure: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: NonNegative | None = None


class Snapshot(Value):
    """One model call, content-addressed.

    `previous` may name the one before it. An archive that seals its cycles keeps the order there, so
    that equal contexts of two runs have one id.
    """

    previous: Digest = GENESIS
    cycle: int
    subject: str
    as_of: Instant
    budget: int
    tokenizer: str
    lanes: Digest
    brief: Digest
    items: tuple[Digest, ...]
    """Every item of the book, in the order of their ids."""
    selected: tuple[str, ...]
    dropped: Mapping[Reason, tuple[str, ...]]
    tokens: int
    points: Decimal
    synthesis: Digest
    """Over messages, selection and counts: what a replay must give again."""
    request: ModelRequest
    answer: ModelAnswer

    @property
    def id(self) -> str:
        """SHA-256 of the canonical content."""
        return digest(self)

    @property
    def references(self) -> tuple[str, ...]:
        """The digests of all blobs that it needs."""
        return self.lanes, self.brief, *self.items

    @classmethod
    def of(
        cls, synthesis: Synthesis, *, cycle: int, request: ModelRequest, answer: ModelAnswer, previous: str = GENESIS
    ) -> Snapshot:
        dropped: dict[Reason, list[str]] = {}
        for one in synthesis.dropped:
            dropped.setdefault(one.reason, []).append(one.item_id)
        return cls(
            previous=previous,
            cycle=cycle,
            subject=synthesis.brief.subject,
            as_of=synthesis.as_of,
            budget=synthesis.tokens.budget,
            tokenizer=synthesis.tokens.tokenizer,
            lanes=synthesis.settings.digest,
            brief=synthesis.brief.digest,
            items=tuple(entry.digest for entry in synthesis.entries),
            selected=tuple(one.item.id for one in synthesis.selected),
            dropped={reason: tuple(ids) for reason, ids in dropped.items()},
            tokens=synthesis.tokens.used,
            points=synthesis.points,
            synthesis=synthesis.digest,
            request=request,
            answer=answer,
        )


def blobs(synthesis: Synthesis) -> dict[str, str]:
    """The bodies that a snapshot of `synthesis` points at, by digest."""
    found = {entry.digest: entry.body for entry in synthesis.entries}
    for shared in (synthesis.settings, synthesis.brief):
        body = canonical(shared)
        found[sha256(body)] = body
    return found


def resynthesize(snapshot: Snapshot, bodies: Mapping[str, str], *, tokenizer: Tokenizer) -> Synthesis:
    """Synthesise again from the archive.

    `bodies` holds the snapshot's `references`. Raises `NotFound` for one that is missing, `Refused`
    for one that was changed or a result that differs, `UsageError` for another tokenizer.
    """
    if tokenizer.name != snapshot.tokenizer:
        raise UsageError(f"the snapshot was counted with {snapshot.tokenizer}, not {tokenizer.name}")
    book = ContextBook(
        LaneSettings.model_validate_json(_whole(bodies, snapshot.lanes)),
        items=(ContextItem.model_validate_json(_whole(bodies, one)) for one in snapshot.items),
    )
    again = book.synthesize(
        budget=snapshot.budget,
        tokenizer=tokenizer,
        as_of=snapshot.as_of,
        brief=Brief.model_validate_json(_whole(bodies, snapshot.brief)),
    )
    if again.digest != snapshot.synthesis:
        raise Refused(f"snapshot {snapshot.id} does not synthesise to what was archived")
    return again


def _whole(bodies: Mapping[str, str], key: str) -> str:
    body = bodies.get(key)
    if body is None:
        raise NotFound(f"the archive lacks {key}")
    if sha256(body) != key:
        raise Refused(f"the archived body of {key} was changed")
    return body
