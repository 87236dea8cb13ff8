"""Numbers that stand for all numbers: the gate's own Python runs on them, path by path, and z3 proves each path.

A `Symbolic` is put where a `Decimal` is. What is computed with it is kept as a polynomial over named
unknowns, and what is asked of it (`a > b`, `max`, `if a`) is a fork: `Paths` takes one branch and notes
it, and `counterexample` runs the code again until no branch is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Literal

import z3

from policy.verdict import Finding

Number = Decimal | int
Monomial = tuple[str, ...]
"""The names of the unknowns in a product, in their order; of none it is one."""
Ask = Literal[">", ">=", "=="]
"""What is asked of a polynomial, against zero."""
Condition = tuple[int, Ask]
"""By the number of a polynomial in its `Paths`."""

TIMEOUT_MS = 20_000
"""For one path."""


class Undecided(AssertionError):
    """z3 could not say whether a claim holds, so nothing is proven."""


class _Settled(BaseException):
    """The path has come to where all that follows is proven. Not an `Exception`: no check may take it for a fault."""


class Paths:
    """The branches of one run of the code: as planned, and then each time the one where the condition holds."""

    def __init__(self) -> None:
        self.planned: list[bool] = []
        self.taken: dict[Condition, bool] = {}
        self.facts: dict[tuple[int, int], list[z3.BoolRef]] = {}
        """What is so of every product that came up, by its factors: a sum of products hides which sign it has."""
        self.found: z3.ModelRef | None = None
        """With these numbers every condition is as they make it, and there are no forks."""
        self.rounded: dict[tuple[int, int], Symbolic] = {}
        self._proven: list[frozenset[tuple[Condition, bool]]] = []
        self._numbers: dict[frozenset[tuple[Monomial, Fraction]], int] = {}
        self._polynomials: list[Symbolic] = []
        self._products: dict[Monomial, z3.ArithRef] = {}
        self._terms: dict[Condition, z3.BoolRef] = {}

    def start(self, planned: list[bool]) -> None:
        self.planned, self.taken = planned, {}

    def any(self, name: str) -> Symbolic:
        """The unknown of that name."""
        return Symbolic({(name,): Fraction(1)}, self)

    def product(self, monomial: Monomial) -> z3.ArithRef:
        """For the solver a product of unknowns is an unknown of its own; `products` says what it is."""
        if monomial not in self._products:
            self._products[monomial] = z3.Real(" * ".join(monomial))
        return self._products[monomial]

    @property
    def products(self) -> list[z3.BoolRef]:
        """What makes numbers of all products that were named so far."""
        return [term == prod(map(z3.Real, names)) for names, term in self._products.items() if len(names) > 1]

    def number_of(self, polynomial: Symbolic) -> int:
        content = frozenset(polynomial.parts.items())
        if content not in self._numbers:
            self._numbers[content] = len(self._polynomials)
            self._polynomials.append(polynomial)
        return self._numbers[content]

    def holds(self, polynomial: Symbolic, ask: Ask) -> bool:
        """Whether it is so on this path. What follows from an answer before, or is so of all numbers, is no fork."""
        if not any(polynomial.parts):
            constant = polynomial.parts.get((), Fraction(0))
            return {">": constant > 0, ">=": constant >= 0, "==": constant == 0}[ask]
        if self.found is not None:
            return bool(z3.is_true(self.found.eval(_asked(polynomial.exact, ask), model_completion=True)))
        first = polynomial.parts[min(filter(None, polynomial.parts))]
        number = self.number_of(polynomial * (1 / first))
        if first < 0 and ask != "==":
            return not self._decide((number, ">" if ask == ">=" else ">="))
        return self._decide((number, ask))

    def _decide(self, condition: Condition) -> bool:
        number, ask = condition
        if condition not in self.taken:
            if ask == ">=" and self.taken.get((number, ">")):
                return True
            if ask == ">" and self.taken.get((number, ">=")) is False:
                return False
            at = len(self.taken)
            self.taken[condition] = self.planned[at] if at < len(self.planned) else True
            if any(branches <= self.taken.items() for branches in self._proven):
                raise _Settled
        return self.taken[condition]

    def term(self, condition: Condition) -> z3.BoolRef:
        if condition not in self._terms:
            number, ask = condition
            self._terms[condition] = _asked(self._polynomials[number].term, ask)
        return self._terms[condition]

    def learn_sign(self, one: Symbolic, other: Symbolic, product: Symbolic) -> None:
        """Which sign a product has by those of its factors. So of all numbers."""
        key = (self.number_of(one), self.number_of(other))
        if key not in self.facts:
            alike = z3.Or(z3.And(one.term >= 0, other.term >= 0), z3.And(one.term <= 0, other.term <= 0))
            unlike = z3.Or(z3.And(one.term >= 0, other.term <= 0), z3.And(one.term <= 0, other.term >= 0))
            self.facts[key] = [z3.Implies(alike, product.term >= 0), z3.Implies(unlike, product.term <= 0)]

    def settle(self, branches: Iterable[Condition]) -> None:
        """From now on no run goes on once it has taken all of `branches` as this one did."""
        self._proven.append(frozenset((condition, self.taken[condition]) for condition in branches))


class Symbolic:
    """Any real number. Exact, as the gate's own arithmetic is: that raises, and so refuses, where it would round."""

    __slots__ = ("parts", "paths")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, parts: Mapping[Monomial, Fraction], paths: Paths) -> None:
        self.parts = {monomial: factor for monomial, factor in parts.items() if factor}
        self.paths = paths

    def of(self, other: Symbolic | Number | Fraction) -> Symbolic:
        return other if isinstance(other, Symbolic) else Symbolic({(): Fraction(other)}, self.paths)

    @property
    def term(self) -> z3.ArithRef:
        """For the solver: linear in unknowns and in products of them."""
        return self._sum(self.paths.product)

    @property
    def exact(self) -> z3.ArithRef:
        """In unknowns alone."""
        return self._sum(lambda names: prod(map(z3.Real, names)))

    def _sum(self, product: Callable[[Monomial], z3.ArithRef]) -> z3.ArithRef:
        parts = ((z3.RealVal(str(factor)), names) for names, factor in self.parts.items())
        return z3.Sum([z3.RealVal(0), *(factor * product(names) if names else factor for factor, names in parts)])

    def __add__(self, other: Symbolic | Number) -> Symbolic:
        parts = dict(self.parts)
        for monomial, factor in self.of(other).parts.items():
            parts[monomial] = parts.get(monomial, Fraction(0)) + factor
        return Symbolic(parts, self.paths)

    def __mul__(self, other: Symbolic | Number | Fraction) -> Symbolic:
        right = self.of(other)
        parts: dict[Monomial, Fraction] = {}
        for (one, factor), (two, by) in ((a, b) for a in self.parts.items() for b in right.parts.items()):
            monomial = tuple(sorted(one + two))
            parts[monomial] = parts.get(monomial, Fraction(0)) + factor * by
        product = Symbolic(parts, self.paths)
        if any(self.parts) and any(right.parts):
            self.paths.learn_sign(self, right, product)
        return product

    def __sub__(self, other: Symbolic | Number) -> Symbolic:
        return self + -self.of(other)

    def __rsub__(self, other: Number) -> Symbolic:
        return -self + other

    def __truediv__(self, other: Number) -> Symbolic:
        """By a stated number only: the checks divide by nothing that they are given."""
        if isinstance(other, Symbolic):
            raise TypeError("division by any number is not modelled")
        return self * (1 / Fraction(other))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Symbolic:
        return Symbolic({monomial: -factor for monomial, factor in self.parts.items()}, self.paths)

    def __abs__(self) -> Symbolic:
        return self if self > 0 else -self

    def __gt__(self, other: Symbolic | Number) -> bool:
        return self.paths.holds(self - other, ">")

    def __ge__(self, other: Symbolic | Number) -> bool:
        return self.paths.holds(self - other, ">=")

    def __lt__(self, other: Symbolic | Number) -> bool:
        return self.paths.holds(-self + other, ">")

    def __le__(self, other: Symbolic | Number) -> bool:
        return self.paths.holds(-self + other, ">=")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Symbolic | Decimal | int):
            return NotImplemented
        return self.paths.holds(self - other, "==")

    def __bool__(self) -> bool:
        return self != 0

    def __format__(self, _: str) -> str:
        return "some number"

    def is_finite(self) -> bool:
        return True

    def adjusted(self) -> int:
        """Of a magnitude that the gate takes: it refuses others, which only shrinks what is to be proven."""
        return 0

    def rounded_down(self, *, over: Symbolic | None = None) -> Symbolic:
        """Any number from 0 up to this one over `over`, where neither is negative: more than rounding may give."""
        divisor = over or self.of(1)
        key = (self.paths.number_of(self), self.paths.number_of(divisor))
        if key not in self.paths.rounded:
            number = self.paths.any(f"rounded {len(self.paths.rounded)}")
            sound = z3.And(self.term >= 0, divisor.term > 0)
            less = z3.And(number.term >= 0, (number * divisor).term <= self.term)
            self.paths.rounded[key] = number
            self.paths.facts[(-1, len(self.paths.rounded))] = [z3.Implies(sound, less)]
        return self.paths.rounded[key]

    def quantize(self, _grain: Decimal, *, context: RoundingDown) -> Symbolic:
        return self.rounded_down()


class RoundingDown:
    """Stands where a decimal context rounds quotients down. What holds of any smaller number holds of its own."""

    def divide(self, dividend: Symbolic, divisor: Symbolic) -> Symbolic:
        return dividend.rounded_down(over=divisor)


def _asked(term: z3.ArithRef, ask: Ask) -> z3.BoolRef:
    return {">": term > 0, ">=": term >= 0, "==": term == 0}[ask]


def allowed(judge: Callable[[], Finding]) -> bool:
    """Whether `judge` lets the order through. A check that failed would refuse, but here something was not modelled."""
    finding = judge()
    assert "the check failed" not in finding.message, finding
    return finding.outcome in ("pass", "warn")


def counterexample(
    judge: Callable[[], Finding], *, paths: Paths, domain: Iterable[z3.BoolRef], claim: z3.BoolRef
) -> z3.ModelRef | None:
    """Numbers of `domain` that `judge` lets through although `claim` is false of them; `None` proves there are none.

    Every path of `judge` is run, but for the rest of those that have taken all the branches which some
    proof needed. Raises `Undecided` when z3 can't tell.
    """
    proof = _Proof(paths, [*domain, z3.Not(claim)])
    planned: list[bool] = []
    while True:
        paths.start(planned)
        try:
            if allowed(judge):
                found = proof.broken()
                if found is not None:
                    return found
        except _Settled:
            pass
        left = list(paths.taken.values())
        while left and not left[-1]:
            left.pop()
        if not left:
            return None
        planned = [*left[:-1], False]


class _Proof:
    """That there are no numbers of which all of `false` holds, path by path.

    Tried first with products as unknowns of their own, which is quick: what has no model so has none at
    all. Then with what is known of the signs of products, and at last with what products are.
    """

    def __init__(self, paths: Paths, false: Iterable[z3.BoolRef]) -> None:
        self.paths = paths
        self._false = list(false)
        self._plain, self._signed = z3.SolverFor("QF_LRA"), z3.SolverFor("QF_LRA")
        self._plain.add(*self._false)
        self._signed.add(*self._false)
        self._known: set[Condition] = set()
        self._facts: set[tuple[int, int]] = set()

    def broken(self) -> z3.ModelRef | None:
        """A model of the path just taken; none settles the branches that the proof of that needed."""
        marks = {}
        for condition, holds in self.paths.taken.items():
            number, ask = condition
            if condition not in self._known:
                self._known.add(condition)
                mark = z3.Bool(f"{number} {ask}")
                for solver in (self._plain, self._signed):
                    solver.add(mark == self.paths.term(condition))
            mark = z3.Bool(f"{number} {ask}")
            marks[mark if holds else z3.Not(mark)] = condition
        for product, facts in self.paths.facts.items():
            if product not in self._facts:
                self._facts.add(product)
                self._signed.add(*facts)
        for solver in (self._plain, self._signed):
            if solver.check(*marks) == z3.unsat:
                self.paths.settle(marks[mark] for mark in solver.unsat_core())
                return None
        return self._exactly(list(marks))

    def _exactly(self, path: list[z3.BoolRef]) -> z3.ModelRef | None:
        exact = z3.SolverFor("QF_NRA")
        exact.set("timeout", TIMEOUT_MS)
        exact.add(*self._signed.assertions(), *path, *self.paths.products)
        found = exact.check()
        if found == z3.sat:
            return exact.model()
        if found == z3.unknown:
            raise Undecided(exact.reason_unknown())
        self.paths.settle(self.paths.taken)
        return None
