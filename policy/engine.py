"""The engine: every check on one proposal, and the verdict they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import localcontext
from typing import Final

from domain.decision import Proposal
from domain.digest import digest
from policy.book import Book
from policy.case import Case
from policy.check import Check
from policy.checks import CHECKS
from policy.checks.order import well_formed
from policy.exact import EXACT
from policy.facts import Facts
from policy.policy import Policy
from policy.readable import readable
from policy.ruling import deny, unjudged
from policy.verdict import Finding, Verdict, found_by, outcome_of

UNREADABLE_FACTS: Final = digest("facts that can't be read")
"""Stands for the digest of facts without a byte form, which only unvalidated ones can be."""


class PolicyEngine:
    """Judges proposals by one policy. Pure: no clock, same input, same bytes out.

    It remembers the book of the last facts, as these are frozen and several proposals are judged on them.
    """

    def __init__(self, policy: Policy, *, checks: Sequence[Check] = CHECKS) -> None:
        self.policy = policy
        self.digest = policy.digest
        ordered = sorted(checks, key=lambda check: check.code)
        self._codes = tuple(check.code for check in ordered)
        self._checks = tuple(check.under(policy) for check in ordered)
        self._book: Book | None = None

    @property
    def complete(self) -> bool:
        """Whether every check of the gate is among its own."""
        return {check.code for check in CHECKS} <= {*self._codes}

    def evaluate(self, proposal: Proposal, facts: Facts) -> Verdict:
        """The verdict on `proposal`, with the finding of every check in the order of their codes. Never raises.

        Judged is a copy of exact types. A proposal of which there is none is refused as not well-formed, with what is
        wrong, and the verdict names the one that stands for it (`policy.readable`). Facts without a byte form refuse,
        and have `UNREADABLE_FACTS` for a digest.
        """
        judged, fault = readable(proposal)
        book, facts_digest = self._read(facts)
        if fault or book is None:
            order, findings = None, self._unjudged(fault)
        else:
            with localcontext(EXACT):
                case = Case(judged, facts, policy=self.policy, book=book)
                findings = tuple([check(case) for check in self._checks])
                order = case.order
        return Verdict(
            outcome=outcome_of(findings),
            symbol=judged.symbol,
            client_order_id=judged.client_order_id,
            order_digest=order.digest if order else None,
            findings=findings,
            policy_digest=self.digest,
            facts_digest=facts_digest,
            proposal_digest=judged.digest,
        )

    def _read(self, facts: Facts) -> tuple[Book | None, str]:
        """The book of `facts` and their digest; no book where they have none."""
        try:
            book = self._book_of(facts)
            return book, book.digest
        except Exception:  # as a check's: what can't be told is a refusal with a name
            return None, UNREADABLE_FACTS

    def _unjudged(self, fault: str) -> tuple[Finding, ...]:
        """Of what can't be read: a `fault` of the proposal's own, and else of the facts."""
        unread = unjudged("the proposal can't be read" if fault else "the facts can't be read")
        return tuple(
            [found_by(code, deny(fault) if fault and code == well_formed.code else unread) for code in self._codes]
        )

    def _book_of(self, facts: Facts) -> Book:
        book = self._book
        if book is None or book.facts is not facts:
            book = self._book = Book(facts, policy=self.policy)
        return book
