"""Numbers that stand for all numbers: the gate's own Python runs on them, path by path, and z3 proves each path.

A `Symbolic` is put where a `Decimal` is. What is computed with it is written down as a term over the
reals, and what is asked of it (`a > b`, `max`, `if a`) is a fork: `Paths` takes one branch and notes it,
and `counterexample` runs the code again until no branch is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

import z3

from policy.ruling import FactMissing, Ruling

TIMEOUT_MS = 10_000
"""For one path."""

Number = Decimal | int
Branch = tuple[z3.BoolRef, bool]
"""A condition, and whether it holds."""


class Undecided(AssertionError):
    """z3 could not say whether a claim holds, so nothing is proven."""


class _Settled(BaseException):
    """The path has come to where all that follows is proven. Not an `Exception`: no check may take it for a fault."""


class Paths:
    """The branches of one run of the code: as planned, and then each time the one where the condition holds.

    Terms are made once for all runs, so that a run costs little more than its own Python.
    """

    def __init__(self) -> None:
        self.planned: list[bool] = []
        self.numbers: z3.ModelRef | None = None
        """With these, every condition is as they make it, and there are no forks."""
        self.taken: list[Branch] = []
        self.given: list[z3.BoolRef] = []
        """What is true of the numbers that came up on the way, on every path."""
        self._known: dict[int, bool] = {}
        self._proven: list[frozenset[tuple[int, bool]]] = []
        self._products: set[int] = set()
        self._terms: dict[tuple[str, int, int], z3.ExprRef] = {}

    def start(self, planned: list[bool]) -> None:
        self.planned, self.taken, self._known = planned, [], {}

    def number(self, name: str) -> Symbolic:
        return Symbolic(z3.Real(name), self)

    def made(self, kind: str, one: z3.ExprRef, other: z3.ExprRef, make: Callable[[], z3.ExprRef]) -> z3.ExprRef:
        """The term of that kind of those two, simplified."""
        key = (kind, one.get_id(), other.get_id())
        if key not in self._terms:
            self._terms[key] = make()
        return self._terms[key]

    def decide(self, condition: z3.BoolRef) -> bool:
        """Whether `condition` holds on this path. What was decided before, or is so for all numbers, is no fork."""
        if z3.is_true(condition) or z3.is_false(condition):
            return z3.is_true(condition)
        if self.numbers is not None:
            return z3.is_true(self.numbers.eval(condition, model_completion=True))
        name = condition.get_id()
        if name not in self._known:
            at = len(self.taken)
            self._known[name] = self.planned[at] if at < len(self.planned) else True
            self.taken.append((condition, self._known[name]))
            if any(branches <= self._known.items() for branches in self._proven):
                raise _Settled
        return self._known[name]

    def learn_signs(self, one: z3.ArithRef, other: z3.ArithRef, product: z3.ArithRef) -> None:
        """Which sign a product has. It is so of all numbers, and saves the solver from finding it."""
        if product.get_id() in self._products or z3.is_rational_value(one) or z3.is_rational_value(other):
            return
        self._products.add(product.get_id())
        alike = z3.Or(z3.And(one >= 0, other >= 0), z3.And(one <= 0, other <= 0))
        unlike = z3.Or(z3.And(one >= 0, other <= 0), z3.And(one <= 0, other >= 0))
        self.given += [z3.Implies(alike, product >= 0), z3.Implies(unlike, product <= 0)]

    def settle(self, branches: Sequence[Branch]) -> None:
        """From now on no run goes on once it has taken all of `branches`."""
        self._proven.append(frozenset((condition.get_id(), holds) for condition, holds in branches))


class Symbolic:
    """Any real number. Exact, as the gate's own arithmetic is: that one raises, and so refuses, where it would round."""

    __slots__ = ("paths", "term")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, term: z3.ArithRef, paths: Paths) -> None:
        self.term = term
        self.paths = paths

    def _made(self, kind: str, other: Symbolic | Number, make: Callable[[z3.ArithRef], z3.ExprRef]) -> Symbolic:
        right = term_of(other)
        return Symbolic(self.paths.made(kind, self.term, right, lambda: make(right)), self.paths)

    def _asked(self, kind: str, other: Symbolic | Number, make: Callable[[z3.ArithRef], z3.BoolRef]) -> bool:
        right = term_of(other)
        return self.paths.decide(self.paths.made(kind, self.term, right, lambda: expanded(make(right))))

    def __add__(self, other: Symbolic | Number) -> Symbolic:
        return self._made("+", other, lambda right: self.term + right)

    def __sub__(self, other: Symbolic | Number) -> Symbolic:
        return self._made("-", other, lambda right: self.term - right)

    def __rsub__(self, other: Number) -> Symbolic:
        return self._made("r-", other, lambda left: left - self.term)

    def __mul__(self, other: Symbolic | Number) -> Symbolic:
        product = self._made("*", other, lambda right: self.term * right)
        self.paths.learn_signs(self.term, term_of(other), product.term)
        return product

    def __truediv__(self, other: Number) -> Symbolic:
        """By a stated number only: the checks divide by nothing that they are given."""
        if isinstance(other, Symbolic):
            raise TypeError("division by any number is not modelled")
        return self._made("/", other, lambda right: self.term / right)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Symbolic:
        return self * -1

    def __abs__(self) -> Symbolic:
        return self if self >= 0 else -self

    def __gt__(self, other: Symbolic | Number) -> bool:
        return self._asked(">", other, lambda right: self.term > right)

    def __ge__(self, other: Symbolic | Number) -> bool:
        return self._asked(">=", other, lambda right: self.term >= right)

    def __lt__(self, other: Symbolic | Number) -> bool:
        return self._asked("<", other, lambda right: self.term < right)

    def __le__(self, other: Symbolic | Number) -> bool:
        return self._asked("<=", other, lambda right: self.term <= right)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Symbolic | Decimal | int):
            return NotImplemented
        return self._asked("==", other, lambda right: self.term == right)

    def __bool__(self) -> bool:
        return not self == 0

    def __format__(self, _: str) -> str:
        return "some number"

    def is_finite(self) -> bool:
        return True

    def rounded_down(self, *, over: Symbolic | Number = 1) -> Symbolic:
        """Any number from 0 up to this one over `over`, where neither is negative: more than rounding may give."""
        divisor = term_of(over)
        number = self.paths.made("rounded", self.term, divisor, lambda: z3.FreshReal("rounded"))
        sound = z3.And(self.term >= 0, divisor > 0)
        self.paths.given.append(z3.Implies(sound, z3.And(number >= 0, number * divisor <= self.term)))
        return Symbolic(number, self.paths)

    def quantize(self, _grain: Decimal, *, context: RoundingDown) -> Symbolic:
        return self.rounded_down()


class RoundingDown:
    """Stands where a decimal context rounds quotients down. What holds of any smaller number holds of its own."""

    def divide(self, dividend: Symbolic, divisor: Symbolic) -> Symbolic:
        return dividend.rounded_down(over=divisor)


_stated: dict[Number, z3.ArithRef] = {}


def term_of(value: Symbolic | Number) -> z3.ArithRef:
    """The term of a number, exactly."""
    if isinstance(value, Symbolic):
        return value.term
    if value not in _stated:
        _stated[value] = z3.RealVal(str(Fraction(value)))
    return _stated[value]


def expanded(condition: z3.BoolRef) -> z3.BoolRef:
    """With every product of sums as a sum of products, so that equal terms look alike."""
    return z3.simplify(condition, som=True)


def allowed(judge: Callable[[], Ruling]) -> bool:
    """Whether `judge` lets the order through, as the gate takes it: what raises for doubt refuses.

    Any other exception is passed on: the gate would refuse, but here it means that something was not modelled.
    """
    try:
        return judge().outcome in ("pass", "warn")
    except FactMissing:
        return False


def counterexample(
    judge: Callable[[], Ruling], *, paths: Paths, domain: Sequence[z3.BoolRef], claim: z3.BoolRef
) -> z3.ModelRef | None:
    """Numbers of `domain` that `judge` lets through although `claim` is false of them; `None` proves there are none.

    Every path of `judge` is run, but for the rest of those that have taken all the branches which some
    proof needed. Raises `Undecided` when z3 can't tell.
    """
    solver = z3.Solver()
    # Products of unknowns as unknowns of their own: quick, and what has no model so has none at all.
    solver.set("arith.nl", False)
    solver.add(*map(expanded, (*domain, z3.Not(claim))))
    planned: list[bool] = []
    while True:
        paths.start(planned)
        try:
            if allowed(judge):
                found = _broken(solver, paths)
                if found is not None:
                    return found
        except _Settled:
            pass
        left = [holds for _, holds in paths.taken]
        while left and not left[-1]:
            left.pop()
        if not left:
            return None
        planned = [*left[:-1], False]


def _broken(solver: z3.Solver, paths: Paths) -> z3.ModelRef | None:
    """A model of the path on which the claim is false; none settles the branches that its proof needed."""
    solver.add(*map(expanded, paths.given))
    paths.given.clear()
    marks: dict[z3.BoolRef, Branch] = {}
    for condition, holds in paths.taken:
        mark = z3.Bool(f"{condition.get_id()} {holds}")
        marks[mark] = (condition, holds)
        solver.add(z3.Implies(mark, condition if holds else z3.Not(condition)))
    if solver.check(*marks) == z3.unsat:
        paths.settle([marks[mark] for mark in solver.unsat_core()])
        return None
    print("EXACT", [(str(c)[:300], h) for c,h in paths.taken]) #DEV
    exact = z3.SolverFor("QF_NRA")
    exact.set("timeout", TIMEOUT_MS)
    exact.add(*solver.assertions(), *marks)
    found = exact.check()
    if found == z3.unknown:
        raise Undecided(exact.reason_unknown())
    if found == z3.sat:
        return exact.model()
    paths.settle(paths.taken)
    return None
