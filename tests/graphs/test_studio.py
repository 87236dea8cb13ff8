"""The graph as LangGraph's own tools open it: named in langgraph.json, without a runner and without a desk."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def test_each_pass_of_the_named_graph_is_the_next_bar() -> None:
    file, name = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]["trading"].split(":")
    module = ".".join(Path(file).with_suffix("").parts)
    graph = getattr(import_module(module), name)()
    passes = [await graph.ainvoke({}) for _ in range(2)]
    assert passes[0]["portfolio"].as_of < passes[1]["portfolio"].as_of
    assert all({"scan", "episodes"} <= set(seen) for seen in passes)
