"""The book: what one desk knows, item by item, and the prompt that can be made of it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Final

from context.brief import Brief
from context.compose import compose
from context.entry import Age, Entry
from context.hooks import Hooks, ItemEvicted, ItemUpserted, LaneRefreshed, Synthesized
from context.item import ContextItem
from context.lane import DEFAULT_LANES, LaneSettings
from context.lane_index import Shelves
from context.score import Scale
from context.synthesis import Synthesis
from context.tokenizer import Tokenizer
from domain.errors import UsageError

SYMBOL_TAG = "symbol:"
"""Tags with this prefix tie an item to one symbol."""

MAX_ITEMS: Final = 20_000
"""Items that a book holds unless it is told otherwise: about 70 MB, and 12 ms a synthesis."""


class ContextBook:
    """The evidence and the lanes of one desk.

    The order in which items came makes no difference, and synthesizing changes nothing. After a change
    only what changed is sorted in again.

    A book holds at most `max_items`, closed ones included. With one more, the evidence that became
    available first is evicted (of equals the one with the lower id), be it the newcomer itself, and
    listeners are told. What is pinned, in a mandatory lane or no evidence is never evicted: when there
    is nothing else, the newcomer is refused.

    So from items of different ids a full book keeps the same ones in whatever order they came, unless it
    had to refuse some. With merges history counts, since an evicted item that comes again is new. A
    book knows no moment, so that evidence dated ahead of `as_of` counts as the newest.
    """

    def __init__(
        self,
        lanes: LaneSettings = DEFAULT_LANES,
        *,
        items: Iterable[ContextItem] = (),
        hooks: Hooks | None = None,
        max_items: int = MAX_ITEMS,
    ) -> None:
        if max_items < 1:
            raise UsageError(f"a book can't hold {max_items} items", remedy="Give a max_items of at least 1")
        self.lanes = lanes
        self.hooks = hooks or Hooks()
        self.max_items = max_items
        self._scales = {lane.id: Scale.of(lane) for lane in lanes.lanes}
        self._entries: dict[str, Entry] = {}
        self._shelves: Shelves | None = None
        self._changed: set[str] = set()
        """Ids under which the shelves don't hold what the book holds; none are noted while there are no shelves."""
        self._oldest: list[Age] | None = None
        """A heap with at least all that may be evicted, from the first eviction on."""
        self.upsert_all(items)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def items(self) -> tuple[ContextItem, ...]:
        """All items by id, the closed ones too."""
        return tuple(self._entries[item_id].item for item_id in sorted(self._entries))

    def get(self, item_id: str) -> ContextItem | None:
        entry = self._entries.get(item_id)
        return entry.item if entry else None

    def upsert(self, item: ContextItem) -> None:
        """Add `item`, or merge it into the one with its id.

        A merge keeps `created_at` and every field that `item` leaves out: what was closed stays closed.
        Raises `UsageError` when the id belongs to an item of another kind or trust, or when the book
        is full of what may not be evicted; it is then unchanged.
        """
        known = self._entries.get(item.id)
        if known is not None:
            item = known.item.merged(item)
            if item == known.item:
                return
        self._put(Entry(item))
        evicted = self._overflow(item.id) if len(self._entries) > self.max_items else None
        self.hooks.tell(ItemUpserted(item, merged=known is not None))
        if evicted is not None:
            self.hooks.tell(ItemEvicted(evicted.item))

    def upsert_all(self, items: Iterable[ContextItem]) -> None:
        for item in items:
            self.upsert(item)

    def view(self, tag: str) -> ContextBook:
        """An independent book of the items that carry `tag` or belong to no symbol at all."""
        view = copy(self)
        view._shelves, view._changed, view._oldest = None, set(), None
        view._entries = {
            item_id: entry
            for item_id, entry in self._entries.items()
            if tag in entry.item.tags or not any(other.startswith(SYMBOL_TAG) for other in entry.item.tags)
        }
        return view

    def prune(self, *, as_of: datetime) -> int:
        """Forget what is closed, and what is stale at `as_of` and ever after. Returns how many items went."""
        now_s = as_of.timestamp()
        gone = [
            item_id
            for item_id, entry in self._entries.items()
            if entry.item.status == "closed" or entry.expires_s < now_s
        ]
        for item_id in gone:
            self._forget(item_id)
        return len(gone)

    def synthesize(self, *, budget: int, tokenizer: Tokenizer, as_of: datetime, brief: Brief) -> Synthesis:
        """The prompt of at most `budget` tokens, by `tokenizer`, that carries the most at `as_of`.

        Raises `BudgetTooSmall` when the brief does not fit, and `MandatoryOverflow` naming the lanes
        when what must be sent does not.
        """
        synthesis = compose(self._sorted(), budget=budget, tokenizer=tokenizer, as_of=as_of, brief=brief)
        for usage in synthesis.lanes:
            self.hooks.tell(LaneRefreshed(usage))
        self.hooks.tell(Synthesized(synthesis))
        return synthesis

    def _sorted(self) -> Shelves:
        """The shelves with all that has changed since the last synthesis."""
        shelves = self._shelves
        if shelves is None:
            shelves = Shelves(self.lanes, self._scales)
            shelves.update(self._entries)
        elif self._changed:
            self._shelves = None  # what is interrupted half-way is not used again
            shelves.update({item_id: self._entries.get(item_id) for item_id in self._changed})
        self._shelves = shelves
        self._changed.clear()
        return shelves

    def _overflow(self, newcomer: str) -> Entry:
        """Take out the one item too many: the oldest that may go, else `newcomer`, with a `UsageError`."""
        if self._oldest is None:
            self._oldest = [entry.age for entry in self._entries.values() if self._may_go(entry)]
            heapify(self._oldest)
        while self._oldest:
            age = heappop(self._oldest)
            oldest = self._entries.get(age[1])
            if oldest is not None and oldest.age == age and self._may_go(oldest):
                return self._forget(oldest.item.id)
        self._forget(newcomer)
        raise UsageError(
            f"the book is full: none of its {self.max_items} items may be evicted for {newcomer}",
            remedy="Prune it, close or unpin items first, or give it a larger max_items",
        )

    def _may_go(self, entry: Entry) -> bool:
        lane = self.lanes.lane_of(entry.item)
        return entry.item.kind == "evidence" and not entry.item.required and not (lane and lane.mandatory)

    def _put(self, entry: Entry) -> None:
        self._entries[entry.item.id] = entry
        self._note(entry.item.id)
        if self._oldest is not None:
            heappush(self._oldest, entry.age)
            if len(self._oldest) > 2 * self.max_items:  # merges leave their old ages behind
                self._oldest = None

    def _forget(self, item_id: str) -> Entry:
        self._note(item_id)
        return self._entries.pop(item_id)

    def _note(self, item_id: str) -> None:
        if self._shelves is not None:
            self._changed.add(item_id)
            if len(self._changed) > len(self._entries):  # sorting the book anew costs less
                self._shelves = None
                self._changed.clear()
