"""Research asks once, cites only what it was shown, and abstains by name where anything fails."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import respx
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.gateway import LiteLLMModel
from agents.model import Completion
from agents.research import ResearchAgent, abstention, thesis
from agents.scripted import ScriptedModel
from agents.settings import DeskSettings, ResearchSettings
from builders.desks import UPTREND, Notes, a_desk, a_position, a_price, a_signal, an_account, readings
from builders.models import a_prompt, an_answer
from builders.tools import BTC, ETH, START, Naps
from domain.decision import Opinion, Thesis
from tools.bars import Bar, Bars

BUY = Opinion(stance="buy", conviction=Decimal("0.8"), evidence=(f"indicators:{BTC}", "made-up"), rationale="it trends")


FEW = hypothesis_settings(max_examples=40)
ROOMY = DeskSettings(research=ResearchSettings(budget_tokens=8_000))


async def research(*told: Any, **over: Any) -> Thesis:
    desk = a_desk(*(told or (readings(**UPTREND), a_price())), **{"settings": ROOMY, **over})
    return await ResearchAgent()(a_signal(), desk)


async def test_the_models_opinion_becomes_a_thesis_that_points_at_its_snapshot() -> None:
    model, memory = ScriptedModel([BUY]), Notes()
    found = await research(model=model, memory=memory)
    model.finish()
    ((subject, prompt, completion),) = memory.archived
    assert (subject, prompt, completion.answer) == (BTC, model.prompts[0], BUY)
    assert (found.stance, found.conviction, found.rationale, found.failure) == ("buy", Decimal("0.8"), "it trends", "")
    assert found.snapshot is not None


async def test_evidence_that_was_not_shown_is_dropped() -> None:
    found = await research(model=ScriptedModel([BUY]))
    assert found.evidence == (f"indicators:{BTC}",)


@FEW
@given(st.lists(st.sampled_from([f"indicators:{BTC}", f"quote:{BTC}", "portfolio"]) | st.text(max_size=20)))
async def test_only_what_was_shown_is_cited_and_each_once(cited: list[str]) -> None:
    model = ScriptedModel([BUY.model_copy(update={"evidence": tuple(cited)})])
    found = await research(model=model)
    shown = {chosen.item.id for chosen in model.prompts[0].selected}
    assert set(found.evidence) == set(cited) & shown
    assert len(found.evidence) == len(set(found.evidence))


async def test_the_prompt_holds_the_mandate_the_holdings_and_the_symbols_evidence() -> None:
    model = ScriptedModel([BUY])
    bars = Bars(symbol=BTC, timeframe="5m", rows=(Bar(START, *map(Decimal, ("100", "101", "99", "100", "7"))),))
    await research(readings(**UPTREND), a_price(), bars, model=model)
    shown = {chosen.item.id for chosen in model.prompts[0].selected}
    assert shown == {
        "goal:edge",
        "constraint:mandate",
        "portfolio",
        f"indicators:{BTC}",
        f"quote:{BTC}",
        f"candles:{BTC}",
    }


async def test_dead_tools_cost_their_evidence_and_the_model_is_still_asked() -> None:
    model = ScriptedModel([BUY])
    found = await research(a_price(ETH), model=model)
    model.finish()
    assert (found.stance, found.evidence) == ("buy", ())


async def test_a_position_without_a_mark_is_told_as_unknown() -> None:
    model = ScriptedModel([BUY])
    await research(model=model, portfolio=an_account(a_position(ETH), marks={}))
    assert "The portfolio can't be priced now." in str(model.prompts[0].messages)


async def test_a_budget_that_holds_no_prompt_is_an_abstention_and_nobody_is_asked() -> None:
    model = ScriptedModel([])
    tight = DeskSettings(research=ResearchSettings(budget_tokens=200))
    found = await research(model=model, settings=tight)
    model.finish()
    assert (found.stance, found.conviction, found.snapshot) == ("abstain", 0, None)
    assert found.failure.startswith("no prompt: ")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("{", "unreadable: "),
        ('{"stance":"to the moon","conviction":1}', "unreadable: stance"),
        ('{"stance":"buy","conviction":7}', "unreadable: conviction"),
        ('{"stance":"buy","conviction":"NaN"}', "unreadable: conviction"),
        ('{"stance":"buy","conviction":"1e-999999999999"}', "unreadable: conviction"),
        ('{"stance":"buy","conviction":0.9,"stance":"buy"}', "unreadable: stance"),
        ("I can't help with financial decisions.", "refusal: "),
        ("", "empty: "),
    ],
)
async def test_an_answer_that_does_not_fit_is_an_abstention_that_says_how(answer: str, kind: str) -> None:
    with respx.mock() as wire:
        wire.post().respond(200, content=an_answer(answer).content, headers={"content-type": "application/json"})
        model = LiteLLMModel("openai/gpt-5-mini", api_key=SecretStr("sk-test-0123456789"), sleep=Naps())
        found = await research(model=model)
    assert (found.stance, found.conviction) == ("abstain", 0)
    assert found.failure.startswith(kind), found.failure
    assert found.snapshot is not None


@given(st.text(min_size=1))
def test_any_failure_is_an_abstention_without_conviction_that_names_it(words: str) -> None:
    failed = Completion[Opinion](model="m", failure=words)
    found = thesis(BTC, a_prompt(), failed, snapshot="0" * 64)
    assert (found.stance, found.conviction, found.evidence, found.rationale) == ("abstain", 0, (), "")
    assert found.failure
    assert found.failure.isprintable()


@given(st.decimals(min_value=0, max_value=1, places=3))
def test_an_abstention_has_no_conviction_whatever_the_model_said(conviction: Decimal) -> None:
    said = Completion[Opinion](model="m", answer=Opinion(stance="abstain", conviction=conviction, rationale="thin"))
    found = thesis(BTC, a_prompt(), said, snapshot="0" * 64)
    assert (found.stance, found.conviction, found.failure, found.rationale) == ("abstain", 0, "", "thin")


@given(st.text())
def test_a_rationale_is_one_visible_line_of_bounded_length(words: str) -> None:
    said = Completion[Opinion](model="m", answer=BUY.model_copy(update={"rationale": words * 50}))
    found = thesis(BTC, a_prompt(), said, snapshot="0" * 64)
    assert len(found.rationale) <= 1_000
    assert found.rationale.isprintable()


def test_an_abstention_that_nobody_explained_says_at_least_that() -> None:
    assert abstention(BTC, "\u200b\u202e").failure == "it failed without a word"
