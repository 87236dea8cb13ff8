"""Every limit that a check reads, with its unit, what it bounds, and in which direction it is tighter."""

from policy.limits.section import Graded, Section, Soft, Tighter

__all__ = ["Graded", "Section", "Soft", "Tighter"]
