"""Snapshots: all that is needed to synthesise again, with what the model was asked and what it answered.

A snapshot is flat and holds no other: it points at lanes, brief and the manifest of its items by digest,
and may name the one before it. Those bodies are `blobs`, which an archive stores once however many
snapshots share them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import Field

from context.book import ContextBook
from context.brief import Brief
from context.item import ARCHIVED, ContextItem
from context.lane import LaneSettings
from context.manifest import listing, manifest
from context.synthesis import Reason, Synthesis
from context.tokenizer import Tokenizer
from domain.digest import GENESIS, canonical, digest, sha256
from domain.errors import NotFound, Refused, UsageError
from domain.value import Digest, Instant, NonNegative, Value, absent


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
    notes: tuple[str, ...] = Field(default=(), exclude_if=absent)
    """What of the answer was left aside."""


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
    items: Digest
    """The manifest of every item of the book: the list to begin at."""
    selected: tuple[str, ...]
    dropped: Mapping[Reason, int]
    """How many, by reason. Which they are, a new synthesis says, and `synthesis` holds it to that."""
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
        """The digests of the blobs that it points at; the manifest's lists point at the rest."""
        return self.lanes, self.brief, self.items

    @classmethod
    def of(
        cls, synthesis: Synthesis, *, cycle: int, request: ModelRequest, answer: ModelAnswer, previous: str = GENESIS
    ) -> Snapshot:
        items, _ = _manifest(synthesis)
        return cls(
            previous=previous,
            cycle=cycle,
            subject=synthesis.brief.subject,
            as_of=synthesis.as_of,
            budget=synthesis.tokens.budget,
            tokenizer=synthesis.tokens.tokenizer,
            lanes=synthesis.settings.digest,
            brief=synthesis.brief.digest,
            items=items,
            selected=tuple(one.item.id for one in synthesis.selected),
            dropped=Counter(one.reason for one in synthesis.dropped),
            tokens=synthesis.tokens.used,
            points=synthesis.points,
            synthesis=synthesis.digest,
            request=request,
            answer=answer,
        )


def blobs(synthesis: Synthesis) -> dict[str, str]:
    """The bodies that a snapshot of `synthesis` rests on, by digest."""
    _, bodies = _manifest(synthesis)
    bodies |= {entry.digest: entry.body for entry in synthesis.entries}
    for shared in (synthesis.settings, synthesis.brief):
        body = canonical(shared)
        bodies[sha256(body)] = body
    return bodies


def resynthesize(snapshot: Snapshot, bodies: Mapping[str, str], *, tokenizer: Tokenizer) -> Synthesis:
    """Synthesise again from the archive.

    `bodies` holds the snapshot's `references` and all that lists among them name. Raises `NotFound` for
    one that is missing, `Refused` for one that was changed or a result that differs, `UsageError` for
    another tokenizer.
    """
    if tokenizer.name != snapshot.tokenizer:
        raise UsageError(f"the snapshot was counted with {snapshot.tokenizer}, not {tokenizer.name}")
    items = [
        ContextItem.model_validate_json(_whole(bodies, one), context=ARCHIVED) for one in _items(bodies, snapshot.items)
    ]
    book = ContextBook(
        LaneSettings.model_validate_json(_whole(bodies, snapshot.lanes)), items=items, max_items=max(1, len(items))
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


def _manifest(synthesis: Synthesis) -> tuple[str, dict[str, str]]:
    return manifest({entry.item.id: entry.digest for entry in synthesis.entries})


def _items(bodies: Mapping[str, str], manifest_digest: str) -> Iterator[str]:
    """The digests of the items, from all lists of a manifest."""
    waiting = [manifest_digest]
    while waiting:
        key = waiting.pop()
        listed = listing(_whole(bodies, key))
        if listed is None:
            raise Refused(f"the archived body of {key} is no list of items")
        yield from listed.items
        waiting += listed.lists


def _whole(bodies: Mapping[str, str], key: str) -> str:
    body = bodies.get(key)
    if body is None:
        raise NotFound(f"the archive lacks {key}")
    if sha256(body) != key:
        raise Refused(f"the archived body of {key} was changed")
    return body
