"""The page of exchanges says what the package says of each: how far it was tried, its limits, and what was learned."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from graphs.certification import ABOUT, STEPS
from venues.exchange.account.dialects import quirks_of
from venues.exchange.account.known import KNOWN, ExchangeFacts, certification_line
from venues.exchange.account.recording import Recording

PAGE = (Path(__file__).parents[2] / "docs/exchanges.md").read_text("utf-8")
each = pytest.mark.parametrize("facts", KNOWN.values(), ids=lambda facts: facts.exchange)


def section(facts: ExchangeFacts) -> str:
    """As it must stand on the page."""
    rows = (
        ("markets", facts.markets),
        ("stops", facts.stops),
        ("attached stops", facts.attached_stops),
        ("sandbox", facts.sandbox),
        ("orders in one request", f"{facts.batch_spot} on spot, {facts.batch_swap} on perpetuals"),
        ("dead-man switch", facts.dead_man_switch),
        ("certified in, where nothing else is asked for", f"`{facts.least}`"),
    )
    certified = [f"- {c.where}, {c.on}, version {c.version}, in {c.symbol}" for c in facts.certified]
    return "\n".join(
        [
            f"## {facts.title} (`{facts.exchange}`)",
            "",
            f"**{certification_line(facts.exchange, version=version('agentctl'))}.**",
            "",
            *([*certified, ""] if certified else []),
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows),
            "",
            "Learned:",
            "",
            *(f"- {line}" for line in facts.learned),
        ]
    )


@each
def test_the_page_says_of_an_exchange_what_the_package_says(facts: ExchangeFacts) -> None:
    assert section(facts) in PAGE


def test_the_page_has_these_exchanges_and_no_other() -> None:
    assert re.findall(r"^## .+ \(`(\w+)`\)$", PAGE, re.MULTILINE) == list(KNOWN)


def test_the_page_names_every_step_of_a_certification() -> None:
    assert re.findall(r"^\| `([\w ]+)` \| (.+) \|$", PAGE, re.MULTILINE) == [(step, ABOUT[step]) for step in STEPS]


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "certifications").mkdir()
    at = datetime(2026, 11, 30, tzinfo=UTC)
    given = {"exchange": "okx", "symbol": "BTC/USDT", "sandbox": True, "version": "0", "results": {}, "calls": ()}
    Recording.model_validate({**given, "started_at": at}).write(tmp_path / "certifications/okx-2026-11-30.json")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/exchanges.md", "exec"), {})
    assert capsys.readouterr().out.endswith(f"{at} [] ()\n")


@each
def test_what_the_package_says_of_an_exchange_is_what_its_dialect_does(facts: ExchangeFacts) -> None:
    dialect = quirks_of(facts.exchange)
    assert (facts.batch_spot, facts.batch_swap) == (dialect.batch("BTC/USDT"), dialect.batch("BTC/USDT:USDT"))
    assert (dialect.stop is not None) is facts.stops.startswith("held")
    assert (dialect.attached is not None) is facts.attached_stops.startswith("attached")


def test_no_exchange_is_certified_that_nobody_has_certified() -> None:
    """To be changed with a certification in hand: its recording passed, on that day and by that version."""
    assert {exchange: facts.certified for exchange, facts in KNOWN.items()} == dict.fromkeys(KNOWN, ())
