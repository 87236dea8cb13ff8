"""What a mutant is: one module with one small change.

The changes are mutmut's operators, whose trampolines can't reach a decorated function (every rule of the
gate is one), and a few of our own that a gate of limits needs. Texts for people, docstrings and types are
not changed; the arguments of `Field` and `StringConstraints` inside a type are, since they are limits.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

Operator = tuple[type[cst.CSTNode], Callable[..., Iterable[cst.CSTNode]]]
_Change = tuple[cst.CSTNode, cst.CSTNode, str, range, bool]
"""A node and what takes its place; of the mutant: `where`, `lines` and `in_function`."""

_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_OPPOSITES: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.LessThan: cst.GreaterThanEqual,
    cst.LessThanEqual: cst.GreaterThan,
    cst.GreaterThan: cst.LessThanEqual,
    cst.GreaterThanEqual: cst.LessThan,
}
_WORD = re.compile(r"[^\s]*")
_SPEAKERS = {"passed", "deny", "FactMissing"}
"""What they are given is text for people, also when it is one word."""


@dataclass(frozen=True, slots=True)
class Mutant:
    path: str
    """Of the module, from the root of the repository."""
    where: str
    """The function or class that is changed, dotted; empty for the module itself."""
    source: str
    """Of the whole changed module."""
    diff: str
    """The lines taken out and put in, without their surroundings."""
    lines: range
    """Of the changed statement."""
    in_function: bool
    """Whether only the body of a function differs, so that the change needs no new import."""

    @property
    def name(self) -> tuple[str, str, str]:
        """The same however the lines around it move."""
        return self.path, self.where, self.diff


def _negated(test: cst.BaseExpression) -> cst.UnaryOperation:
    wrapped = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(operator=cst.Not(), expression=wrapped)


def _negate_condition(node: cst.If | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    if not m.matches(node.test, m.Comparison() | m.UnaryOperation(operator=m.Not())):  # others turn these round
        yield node.with_changes(test=_negated(node.test))


def _turn_comparison(node: cst.ComparisonTarget) -> Iterator[cst.CSTNode]:
    opposite = _OPPOSITES.get(type(node.operator))
    if opposite is not None:
        yield node.with_changes(operator=opposite())


def _one_less(node: cst.Integer) -> Iterator[cst.CSTNode]:
    if node.evaluated_value > 0:
        yield node.with_changes(value=repr(node.evaluated_value - 1))


def _swap_twin(node: cst.Call) -> Iterator[cst.CSTNode]:
    if isinstance(node.func, cst.Name) and node.func.value in _TWINS:
        yield node.with_changes(func=cst.Name(_TWINS[node.func.value]))


def _strip_call(node: cst.Call) -> Iterator[cst.CSTNode]:
    if m.matches(node, m.Call(func=m.Name("abs") | m.Name("sorted"), args=[m.Arg()])):
        yield node.args[0].value


def _pad_string(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    yield from list(mutators.operator_string(node))[:1]


OPERATORS: tuple[Operator, ...] = (
    *(pair for pair in mutators.mutation_operators if pair[0] is not cst.BaseString),
    (cst.SimpleString, _pad_string),
    (cst.If, _negate_condition),
    (cst.While, _negate_condition),
    (cst.CompIf, _negate_condition),
    (cst.ComparisonTarget, _turn_comparison),
    (cst.Integer, _one_less),
    (cst.Call, _swap_twin),
    (cst.Call, _strip_call),
)


def _is_text(node: cst.CSTNode) -> bool:
    """Whether it is written for people: an f-string, a literal of more than a word, what is called a message."""
    if isinstance(node, cst.SimpleString):
        return _WORD.fullmatch(node.raw_value) is None
    return m.matches(node, m.FormattedString() | m.ConcatenatedString() | m.Name("message"))


def _speaks(call: cst.Call) -> bool:
    return isinstance(call.func, cst.Name) and call.func.value in _SPEAKERS


def _loses_text(before: cst.CSTNode, after: cst.CSTNode) -> bool:
    """Whether all that was changed is that a text for people went missing."""
    if isinstance(before, (cst.Assign, cst.AnnAssign)) and before.value is not None:
        return _is_text(before.value)
    if isinstance(before, cst.Call) and isinstance(after, cst.Call) and before.func is after.func:
        kept = {id(arg) for arg in after.args}
        gone = [arg for arg in before.args if id(arg) not in kept]
        return bool(gone) and all(_is_text(arg.value) for arg in gone)
    return False


def _loses_nothing(before: cst.CSTNode, after: cst.CSTNode) -> bool:
    """Whether a sum begins at the integer 0 instead of the decimal: equal, compared alike and written alike."""
    return m.matches(before, m.Call(func=m.Name("sum"), args=[m.Arg(), m.Arg(m.Name("ZERO"))])) and m.matches(
        after, m.Call(func=m.Name("sum"), args=[m.Arg()])
    )


class _Collector(cst.CSTVisitor):
    def __init__(self, places: Mapping[cst.CSTNode, object]) -> None:
        super().__init__()
        self._places = places
        self.found: list[_Change] = []
        self._names: list[str] = []
        self._lines: list[range] = []
        self._bodies = 0
        """How many bodies of functions we are inside of."""

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
            self._lines.append(self._span(node))
        if isinstance(node, (cst.ClassDef, cst.FunctionDef)):
            self._names.append(node.name.value)
            self._visit_definition(node)
            return False
        if isinstance(node, cst.Annotation):
            for call in m.findall(node, m.Call()):
                call.visit(self)
            return False
        if _is_text(node) or m.matches(node, _NEVER):
            return False
        if isinstance(node, cst.Call) and _speaks(node):
            return False
        if m.matches(node, _TYPED):
            cst.ensure_type(node, cst.Call).args[1].visit(self)
            return False
        self._mutate(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
            self._lines.pop()
        if isinstance(original_node, (cst.ClassDef, cst.FunctionDef)):
            self._names.pop()

    def _visit_definition(self, node: cst.ClassDef | cst.FunctionDef) -> None:
        """What is run when it is defined, and then its body."""
        for decorator in node.decorators:
            decorator.visit(self)
        if isinstance(node, cst.FunctionDef):
            node.params.visit(self)
            self._bodies += 1
            node.body.visit(self)
            self._bodies -= 1
        else:
            for base in (*node.bases, *node.keywords):
                base.visit(self)
            node.body.visit(self)

    def _span(self, node: cst.CSTNode) -> range:
        place = self._place(node)
        last = self._place(node.body).start.line if m.matches(node, m.OneOf(*_BLOCKS)) else place.end.line
        return range(place.start.line, last + 1)

    def _place(self, node: cst.CSTNode) -> CodeRange:
        place = self._places[node]
        assert isinstance(place, CodeRange)
        return place

    def _mutate(self, node: cst.CSTNode) -> None:
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                for changed in operator(node):
                    if not _loses_text(node, changed) and not _loses_nothing(node, changed):
                        where, lines = ".".join(self._names), self._lines[-1]
                        self.found.append((node, changed, where, lines, self._bodies > 0))


_NEVER = (
    m.Expr(value=m.SimpleString())
    | m.Import()
    | m.ImportFrom()
    | m.Assign(targets=[m.AssignTarget(target=m.Name("__all__"))])
    | m.Assign(value=m.Call(func=m.Name("TypeVar")) | m.Subscript(value=m.Name("Callable")))
    | m.Call(func=m.Name("lru_cache") | m.Name("dataclass"))
)
"""Docstrings, imports, what says to linters which imports are handed on, types, how much is remembered, and how."""
_TYPED = m.Call(func=m.Name("cast"))
"""The first argument is a type."""
_BLOCKS = (m.If(), m.For(), m.While(), m.With(), m.FunctionDef(), m.ClassDef(), m.Try())


class Changes:
    """What can be changed in one module. A change is rendered as a mutant only when it is asked for."""

    def __init__(self, root: Path, path: Path) -> None:
        self._before, self._name = path.read_text(), path.relative_to(root).as_posix()
        wrapper = MetadataWrapper(cst.parse_module(self._before))
        self._module = wrapper.module
        places = wrapper.resolve(PositionProvider)
        # Only the statement that holds the change is rendered again.
        self._pieces = [self._module.code_for_node(statement) for statement in self._module.body]
        self._opening, self._closing = self._before.split("".join(self._pieces))
        self._changes: list[tuple[int, _Change]] = []
        for index, statement in enumerate(self._module.body):
            collector = _Collector(places)
            statement.visit(collector)
            self._changes += [(index, change) for change in collector.found]

    def __len__(self) -> int:
        return len(self._changes)

    def mutant(self, number: int) -> Mutant | None:
        """The change of that number; none when it leaves the text of the module as it is."""
        index, (node, changed, where, lines, in_function) = self._changes[number]
        statement = self._module.body[index].deep_replace(node, changed)
        piece = self._module.code_for_node(cst.ensure_type(statement, cst.CSTNode))
        after = "".join((self._opening, *self._pieces[:index], piece, *self._pieces[index + 1 :], self._closing))
        if after == self._before:
            return None
        return Mutant(self._name, where, after, _changed_lines(self._before, after), lines, in_function)


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """Every mutant of one module; none twice."""
    changes, made = Changes(root, path), dict[str, Mutant]()
    for number in range(len(changes)):
        mutant = changes.mutant(number)
        if mutant is not None:
            made.setdefault(mutant.source, mutant)
    return list(made.values())


def _changed_lines(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
