"""Names say what a value is. Participles and words of talking say only how it came about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("agentctl", "agents", "context", "domain", "graphs", "memory", "policy", "tools", "venues")
VAGUE = frozenset(
    ["found", "held", "wanted", "said", "told", "left", "seen", "shown", "kept", "asked", "given", "meant"]
)
MOST = 0.01
"""Of all names bound."""


def bound(tree: ast.AST) -> Iterator[str]:
    """Names that are stored, of arguments, and of what is defined."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.arg():
                yield node.arg
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name


def vague(name: str) -> bool:
    return name.strip("_").rpartition("_")[2].lower() in VAGUE


def test_the_measure_tells_vague_names_from_others() -> None:
    tree = ast.parse("def told(kept_rows, rows_kept):\n    self._seen = found = quote\n    for order in held: ...")
    assert sorted(name for name in bound(tree) if vague(name)) == ["_seen", "found", "rows_kept", "told"]


def test_few_names_say_only_how_a_value_came_about() -> None:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    names = [name for file in files for name in bound(ast.parse(file.read_text("utf-8")))]
    counted = [name for name in names if vague(name)]
    assert len(names) > 10_000
    assert len(counted) <= MOST * len(names), sorted(set(counted))
