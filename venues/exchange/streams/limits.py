"""How far a stream is trusted, and how hard it tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Times in seconds."""

    per_connection: int = 20
    """Symbols, each with a book and its bars. OKX takes 480 subscriptions an hour on one connection."""
    ping_every_s: float = 5
    silent_after_s: float = 12
    """A connection that said nothing for so long, not even to pings, is given up."""
    stagger_s: float = 0.5
    """Between the first connections of two clients: OKX takes three a second."""
    resync_s: float = 10
    """For the whole book to come, at first and after a gap."""
    poll_every_s: float = 2
    """How often REST is asked for what the streams don't tell at the moment."""
    stale_after_s: float = 5
    """How long a quote that REST gave is shown."""
    relist_every_s: float = 60
    """How often it is asked which symbols trade, where a connection was made anew since, or one does not trade."""
    pauses_s: tuple[float, ...] = (0.5, 1, 2, 5, 10, 30)
    """Before a connection is tried again, the last one for good."""

    def __post_init__(self) -> None:
        if self.per_connection < 1 or not self.pauses_s:
            raise ValueError("a stream needs at least one symbol on a connection, and a pause")
        if self.silent_after_s <= self.ping_every_s:
            raise ValueError("silent_after_s must be longer than ping_every_s: a quiet market is heard by its pongs")
