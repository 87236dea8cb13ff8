"""Composing: from ranked lanes to a prompt whose whole count stays within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain

from context import prompt
from context.brief import Brief
from context.lane import Lane
from context.packing import NOTHING, Compartment, Parcel, pack
from context.ranking import Ranked, RankedLane, rank
from context.shelf import Shelves
from context.synthesis import Dropped, LaneUsage, Selected, Synthesis, TokenCount
from context.tokenizer import Tokenizer
from domain.digest import instant
from domain.errors import BudgetTooSmall, MandatoryOverflow


@dataclass(frozen=True, slots=True)
class _Counted:
    """One lane with its tokens counted: of what must be sent, of its heading, of each thing that may be sent."""

    ranked: RankedLane
    required: int
    heading: int
    parcels: list[Parcel]

    @property
    def lane(self) -> Lane:
        return self.ranked.shelf.lane

    @property
    def must(self) -> int:
        return self.required + self.heading if self.ranked.required else 0

    def compartment(self) -> Compartment:
        return Compartment(self.parcels, floor=max(0, self.lane.floor - self.required), share=self.lane.share)


def compose(shelves: Shelves, *, budget: int, tokenizer: Tokenizer, as_of: datetime, brief: Brief) -> Synthesis:
    """The best prompt within `budget` tokens at `as_of`. A larger budget never carries less.

    That holds for every tokenizer. The lines are packed by their own counts, into one token less
    after another until the count of the whole fits: so into the most that fits, and what fits a
    budget fits a larger one. BPE vocabularies, `Pieces` and `Utf8Bytes` count exactly the sum for the
    whole (see `prompt`), so that the first packing fits.

    Raises `BudgetTooSmall` when the brief alone does not fit, `MandatoryOverflow` when what must be
    sent does not, and `NotCanonical` for an `as_of` without a zone.
    """
    instant(as_of)
    as_of = as_of.astimezone(UTC)
    lanes = [_counted(lane, tokenizer) for lane in rank(shelves, now_s=as_of.timestamp())]
    capacity = _capacity(lanes, brief, budget=budget, tokenizer=tokenizer, as_of=as_of)
    while True:
        picks = pack([lane.compartment() for lane in lanes], capacity=capacity)
        sent = [_sent(lane, chosen, tokenizer) for lane, chosen in zip(lanes, picks, strict=True)]
        lines = [(lane.lane.id, [one.line for one in part]) for lane, part in zip(lanes, sent, strict=True)]
        messages = prompt.render(brief, as_of=as_of, lanes=lines)
        used = prompt.count(messages, tokenizer)
        if used <= budget:
            break
        # Only for a tokenizer that counts more for the whole than for its lines.
        if all(choice == NOTHING for chosen in picks for choice in chosen):
            raise _overflow(lanes, must=used, budget=budget, tokenizer=tokenizer)
        capacity -= 1
    dropped = [lane.ranked.dropped + _unpacked(lane, chosen) for lane, chosen in zip(lanes, picks, strict=True)]
    return Synthesis(
        messages=messages,
        selected=tuple(chain.from_iterable(sent)),
        dropped=(*shelves.homeless, *chain.from_iterable(dropped)),
        lanes=tuple(
            _usage(lane.lane, part, left_out=len(out)) for lane, part, out in zip(lanes, sent, dropped, strict=True)
        ),
        tokens=TokenCount(used=used, budget=budget, tokenizer=tokenizer.name),
        as_of=as_of,
        brief=brief,
        settings=shelves.settings,
        entries=shelves.entries,
    )


def _capacity(lanes: Sequence[_Counted], brief: Brief, *, budget: int, tokenizer: Tokenizer, as_of: datetime) -> int:
    """Tokens that are left for what may be sent: the headings that it may need are set aside as well."""
    fixed = prompt.count(prompt.render(brief, as_of=as_of, lanes=()), tokenizer)
    if fixed > budget:
        raise BudgetTooSmall(
            f"the brief alone takes {fixed} of {budget} tokens ({tokenizer.name})", remedy="Give a larger budget"
        )
    must = fixed + sum(lane.must for lane in lanes)
    if must > budget:
        raise _overflow(lanes, must=must, budget=budget, tokenizer=tokenizer)
    return budget - must - sum(lane.heading for lane in lanes if lane.parcels and not lane.ranked.required)


def _counted(ranked: RankedLane, tokenizer: Tokenizer) -> _Counted:
    used = bool(ranked.required or ranked.optional)
    return _Counted(
        ranked=ranked,
        required=sum(one.entry.count(one.entry.line, tokenizer) for one in ranked.required),
        heading=tokenizer.count(prompt.heading(ranked.shelf.lane.id)) if used else 0,
        parcels=[_parcel(one, tokenizer) for one in ranked.optional],
    )


def _parcel(ranked: Ranked, tokenizer: Tokenizer) -> Parcel:
    """Every wording of an entry with its tokens and points."""
    entry = ranked.entry
    return tuple((entry.count(line, tokenizer), _carried(ranked, kept)) for line, kept in entry.wordings)


def _carried(ranked: Ranked, kept: float) -> int:
    """Points of a wording that keeps this part of the text: at least one, more than an empty place is worth."""
    return max(1, int(ranked.points * kept))


def _sent(lane: _Counted, chosen: Sequence[int], tokenizer: Tokenizer) -> list[Selected]:
    """What a lane sends, by rank."""
    picks = [(ranked, 0) for ranked in lane.ranked.required]
    picks += [pair for pair in zip(lane.ranked.optional, chosen, strict=True) if pair[1] != NOTHING]
    picks.sort(key=lambda pick: pick[0].key)
    return [_selected(ranked, choice, lane_id=lane.lane.id, tokenizer=tokenizer) for ranked, choice in picks]


def _selected(ranked: Ranked, choice: int, *, lane_id: str, tokenizer: Tokenizer) -> Selected:
    entry = ranked.entry
    line, kept = entry.wordings[choice]
    return Selected(
        item=entry.item,
        lane=lane_id,
        score=Decimal(_carried(ranked, 1.0)).scaleb(-6),
        carried=Decimal(_carried(ranked, kept)).scaleb(-6),
        tokens=entry.count(line, tokenizer),
        line=line,
        shortened=choice > 0,
    )


def _unpacked(lane: _Counted, chosen: Sequence[int]) -> list[Dropped]:
    """What came to packing and found no room."""
    return [
        Dropped(one.entry.item.id, lane.lane.id, "budget", tokens=parcel[0][0])
        for one, parcel, choice in zip(lane.ranked.optional, lane.parcels, chosen, strict=True)
        if choice == NOTHING
    ]


def _usage(lane: Lane, sent: Sequence[Selected], *, left_out: int) -> LaneUsage:
    return LaneUsage(
        lane=lane.id,
        state=lane.state,
        mandatory=lane.mandatory,
        floor=lane.floor,
        sent=len(sent),
        left_out=left_out,
        tokens=sum(one.tokens for one in sent),
    )


def _overflow(lanes: Sequence[_Counted], *, must: int, budget: int, tokenizer: Tokenizer) -> MandatoryOverflow:
    parts = ", ".join(f"{lane.lane.id} {lane.must}" for lane in lanes if lane.must)
    return MandatoryOverflow(
        f"what must be sent takes {must} of {budget} tokens ({tokenizer.name}): {parts or 'the brief'}",
        remedy="Give a larger budget, or close, unpin or shorten items of these lanes",
    )
