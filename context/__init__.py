"""Evidence, lanes, scoring and packing: what a model gets to see, within a budget of tokens.

Imports `domain` only. No I/O, no clock, no randomness: same input, same bytes out.
"""

from context.book import ContextBook
from context.brief import Brief
from context.hooks import Archived, Hooks, ItemEvicted, ItemUpserted, LaneRefreshed, Synthesized
from context.item import ContextItem
from context.lane import DEFAULT_LANES, Lane, LaneSettings, TagFilter, Weights
from context.prompt import Message
from context.snapshot import ModelAnswer, ModelRequest, Snapshot, blobs, resynthesize
from context.synthesis import Dropped, LaneUsage, Selected, Synthesis, TokenCount
from context.tokenizer import Pieces, Tokenizer, Utf8Bytes

__all__ = [
    "DEFAULT_LANES",
    "Archived",
    "Brief",
    "ContextBook",
    "ContextItem",
    "Dropped",
    "Hooks",
    "ItemEvicted",
    "ItemUpserted",
    "Lane",
    "LaneRefreshed",
    "LaneSettings",
    "LaneUsage",
    "Message",
    "ModelAnswer",
    "ModelRequest",
    "Pieces",
    "Selected",
    "Snapshot",
    "Synthesis",
    "Synthesized",
    "TagFilter",
    "TokenCount",
    "Tokenizer",
    "Utf8Bytes",
    "Weights",
    "blobs",
    "resynthesize",
]
