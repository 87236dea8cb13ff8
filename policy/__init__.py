"""The gate: a pure engine that answers every proposal with a verdict, and the tickets that an allow earns.

Imports `domain` only. No I/O, no clock, no randomness: same input, same bytes out.
"""

from policy.account import WorkingOrder
from policy.checks import CHECKS
from policy.engine import PolicyEngine
from policy.facts import Facts
from policy.file import parse_policy
from policy.policy import Policy
from policy.tickets import TicketOffice
from policy.verdict import Finding, Verdict

__all__ = [
    "CHECKS",
    "Facts",
    "Finding",
    "Policy",
    "PolicyEngine",
    "TicketOffice",
    "Verdict",
    "WorkingOrder",
    "parse_policy",
]
