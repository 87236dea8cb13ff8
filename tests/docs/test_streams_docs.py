"""The page of the streams shows what runs."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path

from builders.patience import soon
from builders.streams import DoubleClock, a_stream_stage
from venues.exchange.streams.limits import StreamLimits
from venues.exchange.streams.stream import ExchangeStream

PAGE = (Path(__file__).parents[2] / "docs/streams.md").read_text("utf-8")


async def test_the_example_tells_a_crossing() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "docs/streams.md", "exec"), names)
    first_crossing = names["first_crossing"]
    assert inspect.iscoroutinefunction(first_crossing)
    with a_stream_stage() as stage:
        stage.touch("58999", "59001")
        watching = first_crossing(stage.client(), DoubleClock(stage.double), stage.settings())
        detail, quote, health = await soon(asyncio.ensure_future(watching))
    assert (detail, quote.bid) == ("bid at or below 59000", 58_999)
    assert not health.failed


def test_the_page_names_what_a_stream_gives_and_its_limits() -> None:
    public = [name for name in vars(ExchangeStream) if not name.startswith("_")]
    assert all(f"`{name}" in PAGE for name in public)
    named = {"per_connection", "poll_every_s", "stale_after_s"}
    assert named <= set(StreamLimits.__dataclass_fields__)
    assert all(f"`{name}`" in PAGE for name in named)
