"""Composing: from ranked lanes to a prompt whose whole count stays within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from context import prompt
from context.brief import Brief
from context.entry import Entry
from context.lane import Lane
from context.lane_index import Shelves
from context.packing.pack import NOTHING, Compartment, pack
from context.ranking import Ranked, RankedLane, rank, retelling
from context.synthesis import Dropped, LaneUsage, Reason, Selected, Synthesis, TokenCount
from context.tokenizer import Tokenizer
from domain.digest import instant
from domain.errors import BudgetTooSmall, MandatoryOverflow, UsageError

_STAND_INS = 5
"""Wordings of a story that are offered beside its best: a feed may tell it a thousand times."""


class _Wording(NamedTuple):
    """One line that may be sent for an entry; `points` of its whole `score` are what the line carries."""

    entry: Entry
    line: str
    tokens: int
    score: int
    points: int
    shortened: bool


@dataclass(frozen=True, slots=True)
class _Counted:
    """One lane with its tokens counted: of what must be sent, of its heading, of each wording that may be sent."""

    ranked: RankedLane
    required: int
    heading: int
    wordings: list[list[_Wording]]

    @property
    def lane(self) -> Lane:
        return self.ranked.shelf.lane

    @property
    def must(self) -> int:
        return self.required + self.heading if self.ranked.required else 0

    def compartment(self) -> Compartment:
        """What there is to pack; the heading is paid already where something must be sent."""
        return Compartment(
            [tuple((one.tokens, one.points) for one in choices) for choices in self.wordings if self.sends],
            floor=max(0, self.lane.floor - self.required),
            share=self.lane.share,
            heading=0 if self.ranked.required else self.heading,
        )

    @property
    def sends(self) -> bool:
        return self.lane.state == "enabled"


def compose(shelves: Shelves, *, budget: int, tokenizer: Tokenizer, as_of: datetime, brief: Brief) -> Synthesis:
    """The best prompt within `budget` tokens at `as_of`. A larger budget never carries less.

    That holds for every tokenizer. The lines are packed by their own counts, into one token less
    after another until the count of the whole fits: so into the most that fits, and what fits a
    budget fits a larger one. BPE vocabularies, `Pieces` and `Utf8Bytes` count exactly the sum for the
    whole (see `prompt`), so that the first packing fits.

    Raises `BudgetTooSmall` when the brief alone does not fit, `MandatoryOverflow` when what must be
    sent does not, `UsageError` for a budget that is no whole number and for an open item that must be sent, is
    available and not stale, and is in no lane that is enabled, and `NotCanonical` for an `as_of` without a zone.
    What is stale or not yet available is not sent, pinned or not.
    """
    if type(budget) is not int:
        raise UsageError(f"a budget is a whole number of tokens, not {budget!r}")
    instant(as_of)
    as_of = as_of.astimezone(UTC)
    now_s = as_of.timestamp()
    if stranded := shelves.stranded(now_s):
        raise UsageError(
            f"no lane sends what must be sent: {', '.join(stranded)}",
            remedy="Enable a lane that takes it, or close or unpin it",
        )
    lanes = [_counted(lane, number, tokenizer) for number, lane in enumerate(rank(shelves, now_s=now_s))]
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
    dropped = _dropped(lanes, picks)
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
    """Tokens that are left for what may be sent."""
    fixed = prompt.count(prompt.render(brief, as_of=as_of, lanes=()), tokenizer)
    if fixed > budget:
        raise BudgetTooSmall(
            f"the brief alone takes {fixed} of {budget} tokens ({tokenizer.name})", remedy="Give a larger budget"
        )
    must = fixed + sum(lane.must for lane in lanes)
    if must > budget:
        raise _overflow(lanes, must=must, budget=budget, tokenizer=tokenizer)
    return budget - must


def _counted(ranked: RankedLane, number: int, tokenizer: Tokenizer) -> _Counted:
    used = bool(ranked.required or ranked.optional)
    return _Counted(
        ranked=ranked,
        required=sum(one.entry.count(one.entry.line, tokenizer) for one in ranked.required),
        heading=tokenizer.count(prompt.heading(ranked.shelf.lane.id)) if used else 0,
        wordings=[_choices(one, number, tokenizer) for one in ranked.optional],
    )


def _choices(ranked: Ranked, number: int, tokenizer: Tokenizer) -> list[_Wording]:
    """The whole entry, and whatever says it in fewer tokens: shorter wordings, other tellings in lane `number`."""
    whole, *rest = _wordings(ranked.entry, ranked.points, tokenizer)
    for other in ranked.others:
        if other.number == number:
            rest += _wordings(other.entry, other.points, tokenizer)
    best, shorter = whole.tokens, []
    for one in sorted(rest, key=lambda one: (-one.points, one.tokens, one.entry.order)):
        if one.tokens < best:
            shorter.append(one)
            best = one.tokens
    return [whole, *shorter[: _STAND_INS - 1], *shorter[_STAND_INS - 1 :][-1:]]


def _wordings(entry: Entry, points: int, tokenizer: Tokenizer) -> list[_Wording]:
    """Every wording of one entry. Each carries at least one point, more than an empty place is worth."""
    return [
        _Wording(entry, line, entry.count(line, tokenizer), max(1, points), max(1, int(points * share)), n > 0)
        for n, (line, share) in enumerate(entry.wordings)
    ]


def _sent(lane: _Counted, chosen: Sequence[int], tokenizer: Tokenizer) -> list[Selected]:
    """What a lane sends, by rank."""
    picks = [_wordings(one.entry, one.points, tokenizer)[0] for one in lane.ranked.required]
    picks += [choices[pick] for choices, pick in zip(lane.wordings, chosen, strict=False) if pick != NOTHING]
    picks.sort(key=lambda pick: (not pick.entry.item.pinned, -pick.score, pick.entry.order))
    return [
        Selected(
            item=pick.entry.item,
            lane=lane.lane.id,
            score=_score(pick.score),
            carried=_score(pick.points),
            tokens=pick.tokens,
            line=pick.line,
            shortened=pick.shortened,
        )
        for pick in picks
    ]


def _dropped(lanes: Sequence[_Counted], picks: Sequence[Sequence[int]]) -> list[list[Dropped]]:
    """What each lane leaves out: what ranking did, what found no room, what another telling stands for."""
    dropped = [list(lane.ranked.dropped) for lane in lanes]
    for number, (lane, chosen) in enumerate(zip(lanes, picks, strict=True)):
        for one in lane.ranked.required:
            for other in one.others:
                dropped[other.number].append(retelling(other.entry, lanes[other.number].ranked, instead=one.entry))
        for n, (one, choices) in enumerate(zip(lane.ranked.optional, lane.wordings, strict=True)):
            pick = chosen[n] if lane.sends else NOTHING
            instead = one.entry if pick == NOTHING else choices[pick].entry
            if pick == NOTHING:
                why: Reason = "budget" if lane.sends else "muted"
                whole = choices[0]
                dropped[number].append(
                    Dropped(one.entry.item.id, lane.lane.id, why, tokens=whole.tokens, score=_score(whole.score))
                )
            for entry, at in [(one.entry, number), *((other.entry, other.number) for other in one.others)]:
                if entry is not instead:
                    dropped[at].append(retelling(entry, lanes[at].ranked, instead=instead))
    return dropped


def _score(points: int) -> Decimal:
    return Decimal(points).scaleb(-6)


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
