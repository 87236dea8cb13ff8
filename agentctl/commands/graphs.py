"""`agentctl graphs`: the state machines there are."""

from __future__ import annotations

from agentctl.output import print_json, print_table
from domain.errors import NotFound
from graphs.runs.open import GRAPHS
from graphs.trading.graph import NODES, build

_ABOUT = {"trading": "Signal, Research, Risk, the gate, Execution and Learning, one pass for each bar"}


def list_graphs(*, as_json: bool) -> None:
    if as_json:
        return print_json([{"name": name, "about": _ABOUT[name], "nodes": list(NODES)} for name in GRAPHS])
    return print_table("graphs", ("graph", "what it does"), [(name, _ABOUT[name]) for name in GRAPHS])


def show_graph(name: str, *, as_json: bool) -> None:
    if name not in GRAPHS:
        raise NotFound(f"there is no graph {name!r}", remedy=f"There are: {', '.join(GRAPHS)}")
    drawn = build().get_graph()
    if as_json:
        edges = [{"from": e.source, "to": e.target, "conditional": e.conditional} for e in drawn.edges]
        return print_json({"name": name, "nodes": list(drawn.nodes), "edges": edges})
    print(drawn.draw_mermaid())
    return None
