"""The page of the exchange double shows what runs and names all that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from exchange_double.binance.routes import SPOKEN as SPOKEN_BY_BINANCE
from exchange_double.binance.wire import ACCOUNTS, MARKETS
from exchange_double.faults import EVERY_CONTRADICTION, EVERY_FAULT, EVERY_SOCKET_FAULT
from exchange_double.okx.channels import ENDPOINTS
from exchange_double.okx.wire import SPOKEN
from exchange_double.served import ServedDouble

PAGE = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


async def test_the_example_runs(exchange_double: ServedDouble) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    (test,) = [value for name, value in names.items() if name.startswith("test_") and inspect.isfunction(value)]
    await test(exchange_double)


def test_the_page_names_every_fault_with_its_settings_and_every_address() -> None:
    for fault in (*EVERY_FAULT, *EVERY_CONTRADICTION, *EVERY_SOCKET_FAULT):
        settings = ", ".join(inspect.signature(type(fault)).parameters)
        assert f"| `{type(fault).__name__}({settings})` |" in PAGE
    assert re.findall(r"`((?:GET|POST) [a-z/-]+)`", PAGE) == list(SPOKEN)
    for endpoint, channels in ENDPOINTS.items():
        assert f"`/ws/v5/{endpoint}`" in PAGE
        for channel in channels:
            assert f"`{re.sub('candle.*', 'candle…', channel)}`" in PAGE


def test_the_page_names_every_address_of_binance() -> None:
    section = PAGE.split("\n## Binance\n")[1].split("\n## ")[0]
    spoken = section.split("\nSpoken:\n")[1].split("\n**Not spoken**")[0]
    assert re.findall(r"`((?:GET|POST|PUT|DELETE) [a-zA-Z0-9/]+)`", spoken) == list(SPOKEN_BY_BINANCE)
    assert all(f"`{address}`" in section for address in (*MARKETS, *ACCOUNTS))
