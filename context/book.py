"""The book: what one desk knows, item by item, and the prompt that can be made of it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from datetime import datetime

from context.brief import Brief
from context.composing import compose
from context.entry import Entry
from context.hooks import Hooks, ItemUpserted, LaneRefreshed, Synthesized
from context.item import ContextItem
from context.lane import DEFAULT_LANES, LaneSettings
from context.score import Scale
from context.shelf import Shelves
from context.synthesis import Synthesis
from context.tokenizer import Tokenizer

SYMBOL_TAG = "symbol:"
"""Tags with this prefix tie an item to one symbol."""


class ContextBook:
    """The evidence and the lanes of one desk.

    The order in which items came makes no difference, and synthesizing changes nothing.
    """

    def __init__(
        self, lanes: LaneSettings = DEFAULT_LANES, *, items: Iterable[ContextItem] = (), hooks: Hooks | None = None
    ) -> None:
        self.lanes = lanes
        self.hooks = hooks or Hooks()
        self._scales = {lane.id: Scale.of(lane) for lane in lanes.lanes}
        self._entries: dict[str, Entry] = {}
        self._shelves: Shelves | None = None
        self.upsert_all(items)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def items(self) -> tuple[ContextItem, ...]:
        """All items by id, the closed ones too."""
        return tuple(self._entries[item_id].item for item_id in sorted(self._entries))

    def get(self, item_id: str) -> ContextItem | None:
        found = self._entries.get(item_id)
        return found.item if found else None

    def upsert(self, item: ContextItem) -> None:
        """Add `item`, or merge it into the one with its id.

        A merge keeps `created_at` and every field that `item` leaves out: what was closed stays closed.
        Raises `UsageError` when the id belongs to an item of another kind or trust.
        """
        known = self._entries.get(item.id)
        if known is not None:
            item = known.item.merged(item)
            if item == known.item:
                return
        self._entries[item.id] = Entry(item)
        self._shelves = None
        self.hooks.tell(ItemUpserted(item, merged=known is not None))

    def upsert_all(self, items: Iterable[ContextItem]) -> None:
        for item in items:
            self.upsert(item)

    def view(self, tag: str) -> ContextBook:
        """An independent book of the items that carry `tag` or belong to no symbol at all."""
        view = copy(self)
        view._shelves = None
        view._entries = {
            item_id: entry
            for item_id, entry in self._entries.items()
            if tag in entry.item.tags or not any(other.startswith(SYMBOL_TAG) for other in entry.item.tags)
        }
        return view

    def prune(self, *, as_of: datetime) -> int:
        """Forget what is closed, and what is stale at `as_of` and ever after. Returns how many items went."""
        now_s = as_of.timestamp()
        kept = {
            item_id: entry
            for item_id, entry in self._entries.items()
            if entry.item.status == "open" and entry.expires_s >= now_s
        }
        gone = len(self._entries) - len(kept)
        if gone:
            self._entries, self._shelves = kept, None
        return gone

    def synthesize(self, *, budget: int, tokenizer: Tokenizer, as_of: datetime, brief: Brief) -> Synthesis:
        """The prompt of at most `budget` tokens, by `tokenizer`, that carries the most at `as_of`.

        Raises `BudgetTooSmall` when the brief does not fit, and `MandatoryOverflow` naming the lanes
        when what must be sent does not.
        """
        if self._shelves is None:
            self._shelves = Shelves(self.lanes, self._scales, self._entries.values())
        synthesis = compose(self._shelves, budget=budget, tokenizer=tokenizer, as_of=as_of, brief=brief)
        for usage in synthesis.lanes:
            self.hooks.tell(LaneRefreshed(usage))
        self.hooks.tell(Synthesized(synthesis))
        return synthesis
