"""The engine: every check on one proposal, and the verdict they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import localcontext

from domain.decision import Proposal
from policy.book import Book
from policy.case import Case
from policy.check import Check
from policy.checks import CHECKS
from policy.exact import EXACT
from policy.facts import Facts
from policy.policy import Policy
from policy.verdict import Verdict, outcome_of


class PolicyEngine:
    """Judges proposals by one policy. Pure: no clock, same input, same bytes out.

    It remembers the book of the last facts, as these are frozen and several proposals are judged on them.
    """

    def __init__(self, policy: Policy, *, checks: Sequence[Check] = CHECKS) -> None:
        self.policy = policy
        self.digest = policy.digest
        self._checks = tuple(check.under(policy) for check in sorted(checks, key=lambda check: check.code))
        self._book: Book | None = None

    def evaluate(self, proposal: Proposal, facts: Facts) -> Verdict:
        """The verdict on `proposal`, with the finding of every check in the order of their codes.

        Raises `NotCanonical` for values without a byte form, which only unvalidated objects can hold.
        """
        book = self._book_of(facts)
        with localcontext(EXACT):
            case = Case(proposal, facts, policy=self.policy, book=book)
            findings = tuple([check(case) for check in self._checks])
            order = case.order
        proposal_digest = proposal.digest
        return Verdict(
            outcome=outcome_of(findings),
            symbol=proposal.symbol,
            client_order_id=order.client_order_id if order else proposal.client_order_id,
            order_digest=order.digest if order else None,
            findings=findings,
            policy_digest=self.digest,
            facts_digest=book.digest,
            proposal_digest=proposal_digest,
        )

    def _book_of(self, facts: Facts) -> Book:
        book = self._book
        if book is None or book.facts is not facts:
            book = self._book = Book(facts, policy=self.policy)
        return book
