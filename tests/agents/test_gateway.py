"""LiteLLM behind our contract: what is sent, what is read, what is asked again, on recorded exchanges."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr, TypeAdapter

from agents.answers import answer_schema
from agents.gateway import LiteLLMModel
from agents.model import Completion, Spend
from agents.pricing import Price
from agents.research import brief
from builders.models import START, a_prompt, an_answer, an_error, recording, replies, reply
from builders.tools import Naps
from context.book import ContextBook
from domain.decision import Opinion
from domain.digest import canonical
from domain.errors import UsageError
from domain.value import Value

KEY = "sk-test-0123456789abcdef"
OPINION = {"stance": "buy", "conviction": 0.7, "horizon": "swing", "evidence": [], "rationale": "momentum"}
ANSWER = an_answer(json.dumps(OPINION))


class Person(Value):
    name: str
    age: int


class City(Value):
    city: str
    country: str


@pytest.fixture
def wire() -> Iterator[respx.Router]:
    """Stands in for the network; a request to anywhere that a test doesn't name fails."""
    with respx.mock(assert_all_called=False) as router:
        yield router


def a_model(name: str = "openai/gpt-5-mini", **over: Any) -> LiteLLMModel:
    given: dict[str, Any] = {"api_key": SecretStr(KEY), "sleep": Naps(), "environ": {}}
    return LiteLLMModel(name, **(given | over))


async def test_an_answer_is_read_counted_and_priced(wire: respx.Router) -> None:
    wire.post("https://api.openai.com/v1/chat/completions").mock(return_value=ANSWER)
    completion = await a_model().ask(a_prompt(), Opinion)
    assert completion.answer == Opinion(stance="buy", conviction=Decimal("0.7"), horizon="swing", rationale="momentum")
    assert (completion.failure, completion.finish) == ("", "stop")
    assert (completion.input_tokens, completion.output_tokens, completion.reasoning_tokens) == (100, 20, 0)
    assert completion.cost_usd is not None
    assert 0 < completion.cost_usd < Decimal("0.01")


async def test_the_prompt_the_schema_and_the_key_are_sent(wire: respx.Router) -> None:
    route = wire.post("https://api.openai.com/v1/chat/completions").mock(return_value=ANSWER)
    prompt = a_prompt()
    await a_model(max_output_tokens=77).ask(prompt, Opinion)
    request = route.calls[0].request
    sent = json.loads(request.content)
    assert sent["messages"] == [{"role": message.role, "content": message.content} for message in prompt.messages]
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert sent["response_format"]["json_schema"]["schema"]["required"] == list(OPINION)
    assert sent["max_completion_tokens"] == 77
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def sent_about(wire: respx.Router, name: str) -> tuple[dict[str, Any], int]:
    """What is sent of a research prompt, and the tokens that its budget was charged."""
    route = wire.post().mock(return_value=ANSWER)
    model = a_model(name)
    prompt = ContextBook().synthesize(budget=5_000, tokenizer=model.tokenizer, as_of=START, brief=brief("BTC/USDT"))
    await model.ask(prompt, Opinion)
    return json.loads(route.calls[0].request.content), prompt.tokens.used


async def test_a_schema_that_is_sent_natively_is_not_sent_in_the_text_too(wire: respx.Router) -> None:
    sent, charged = await sent_about(wire, "openai/gpt-5-mini")
    schema = canonical(answer_schema(Opinion))
    texts = [message["content"] for message in sent["messages"]]
    assert canonical(sent["response_format"]["json_schema"]["schema"]) == schema
    assert not any('"properties"' in text for text in texts)
    count = a_model().tokenizer.count
    assert sum(map(count, (*texts, schema, sent["response_format"]["json_schema"]["name"]))) <= charged


async def test_a_model_that_takes_no_schema_reads_it_in_the_text(wire: respx.Router) -> None:
    sent, _ = await sent_about(wire, "openai/gpt-3.5-turbo")
    assert sent["response_format"] == {"type": "json_object"}
    assert canonical(answer_schema(Opinion)) in sent["messages"][0]["content"]


@pytest.mark.parametrize(
    ("name", "model", "schema", "answer", "tokens"),
    [
        ("openai__structured_output", "openai/gpt-5-nano", Person, Person(name="John", age=30), (49, 213, 192)),
        ("xai__structured_output", "xai/grok-4.3", Person, Person(name="John", age=30), (192, 184, 175)),
        (
            "google__structured_output",
            "gemini/gemini-2.0-flash",
            City,
            City(city="Mexico City", country="Mexico"),
            (8, 20, 0),
        ),
    ],
)
async def test_structured_answers_of_each_provider_are_read(
    wire: respx.Router, name: str, model: str, schema: type[Value], answer: Value, tokens: tuple[int, int, int]
) -> None:
    wire.post().mock(side_effect=replies(name))
    found = await a_model(model).ask(a_prompt(), schema)
    assert found.answer == answer
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == tokens


@pytest.mark.parametrize(
    ("name", "model", "tokens"),
    [
        ("openai__plain", "openai/gpt-5-nano", (13, 209, 192)),
        ("anthropic__plain", "anthropic/claude-haiku-4-5-20251001", (16, 13, 0)),
        ("google__plain", "gemini/gemini-2.5-flash", (10, 32, 25)),
        ("xai__plain", "xai/grok-4.3", (137, 117, 116)),
        ("deepseek__plain", "deepseek/deepseek-chat", (12, 1, 0)),
        ("deepseek__reasoning", "deepseek/deepseek-reasoner", (12, 789, 415)),
    ],
)
async def test_reasoning_is_counted_wherever_the_provider_counts_it(
    wire: respx.Router, name: str, model: str, tokens: tuple[int, int, int]
) -> None:
    wire.post().mock(side_effect=replies(name))
    found = await a_model(model).ask(a_prompt(), Opinion)
    assert found.failure.startswith("unreadable: ")
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == tokens


@pytest.mark.parametrize(
    ("name", "model", "failure"),
    [
        ("openai__error_auth", "openai/gpt-5-nano", "auth: Incorrect API key provided"),
        ("anthropic__error_auth", "anthropic/claude-haiku-4-5", "auth: invalid x-api-key"),
        ("google__error_auth", "gemini/gemini-2.5-flash", "auth: API key not valid"),
        ("xai__error_auth", "xai/grok-4.3", "auth: Incorrect API key provided"),
        ("deepseek__error_auth", "deepseek/deepseek-chat", "auth: Authentication Fails"),
        ("openai__error_bad_request", "openai/o1-mini", "bad_request: Unsupported value"),
        ("anthropic__error_bad_request", "anthropic/claude-opus-4-6", "bad_request: This model does not support"),
        ("anthropic__error_not_found", "anthropic/claude-does-not-exist", "not_found: model: claude-does-not-exist"),
        ("openai__error_rate_limit", "openai/gpt-5-nano", "too_large: Request too large"),
        ("anthropic__error_rate_limit", "anthropic/claude-haiku-4-5", "too_large: This request would exceed"),
        ("deepseek__error_context_length", "deepseek/deepseek-chat", "context_length: This model's maximum"),
        ("google__error_context_length", "gemini/gemini-2.5-flash", "context_length: The input token count"),
        ("google__blocked_prompt", "gemini/gemini-2.5-flash", "blocked: "),
        ("google__finish_max_tokens", "gemini/gemini-2.5-pro", "length: cut at 4000 tokens"),
    ],
)
async def test_what_asking_again_cannot_mend_is_asked_once(
    wire: respx.Router, name: str, model: str, failure: str
) -> None:
    route = wire.post().mock(side_effect=replies(name))
    found = await a_model(model).ask(a_prompt(), Opinion)
    assert found.failure.startswith(failure)
    assert (found.answer, found.retryable, route.call_count) == (None, False, 1)


@pytest.mark.parametrize("number", range(5))
async def test_reported_errors_are_sorted_as_they_should_be(wire: respx.Router, number: int) -> None:
    case = recording("reported_errors")[number]
    provider = {"google": "gemini"}.get(case["provider"], case["provider"])
    route = wire.post().mock(return_value=reply(case))
    found = await a_model(f"{provider}/some-model").ask(a_prompt(), Opinion)
    again = case["expected"]["retryable"] is True
    assert (found.retryable, route.call_count) == (again, 3 if again else 1)


async def test_an_outage_is_asked_again_after_growing_pauses(wire: respx.Router) -> None:
    naps = Naps()
    route = wire.post().mock(side_effect=[an_error(503), an_error(429, "slow down"), ANSWER])
    found = await a_model(sleep=naps).ask(a_prompt(), Opinion)
    assert (found.failure, route.call_count, naps.taken) == ("", 3, [1, 2])


@pytest.mark.parametrize(
    ("headers", "pauses"),
    [
        ({"retry-after": "7"}, [7, 7]),
        ({"retry-after": "0"}, [1, 2]),
        ({"retry-after-ms": "1500"}, [1.5, 2]),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:09 GMT", "date": "Mon, 01 Jan 2024 00:00:00 GMT"}, [9, 9]),
        ({"retry-after": "soon"}, [1, 2]),
        ({"retry-after": "nan"}, [1, 2]),
        ({"retry-after": "-5"}, [1, 2]),
        ({"retry-after": "59"}, [59]),
        ({"retry-after": "3600"}, []),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_provider_that_says_when_is_asked_then_within_the_time_limit(
    wire: respx.Router, headers: dict[str, str], pauses: list[float], status: int
) -> None:
    naps = Naps()
    route = wire.post().mock(return_value=an_error(status, "slow down", **headers))
    found = await a_model(sleep=naps).ask(a_prompt(), Opinion)
    assert (naps.taken, route.call_count) == (pauses, len(pauses) + 1)
    assert ("not asked again: that is to wait" in found.failure) is (len(pauses) < 2)


async def test_a_request_for_which_nothing_is_set_is_as_the_documentation_says(wire: respx.Router) -> None:
    naps = Naps()
    route = wire.post().mock(side_effect=httpx.ConnectError("refused"))
    model = LiteLLMModel("openai/gpt-4o-mini", api_key=SecretStr(KEY), environ={}, sleep=naps)
    found = await model.ask(a_prompt(), Opinion)
    request = route.calls[0].request
    sent = json.loads(request.content)
    assert (sent["max_tokens"], sent["temperature"]) == (4_000, 0)
    assert request.extensions["timeout"] == {"connect": 60, "read": 60, "write": 60, "pool": 60}
    assert (route.call_count, len(naps.taken), found.retryable) == (3, 2, True)


async def test_attempts_are_bounded_and_the_failure_says_that_it_may_pass(wire: respx.Router) -> None:
    route = wire.post().mock(side_effect=httpx.ConnectError("refused"))
    found = await a_model(attempts=2).ask(a_prompt(), Opinion)
    assert (found.failure.split(":")[0], found.retryable, route.call_count) == ("no_server", True, 2)


async def test_a_model_that_hangs_ends_at_its_time_limit(wire: respx.Router) -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        return await asyncio.Future()

    wire.post().mock(side_effect=hang)
    found = await a_model(timeout_s=0.5, attempts=1).ask(a_prompt(), Opinion)
    assert found.failure.startswith("timeout: ")


class Counting:
    """A meter with room for so many further attempts."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.reserved: list[Spend] = []

    def again(self, most: Spend) -> str:
        if len(self.reserved) >= self.room:
            return "no room"
        self.reserved.append(most)
        return ""


@pytest.mark.parametrize(("room", "calls"), [(0, 1), (1, 2), (2, 3), (9, 3)])
async def test_an_attempt_after_a_timeout_needs_room_of_its_own(wire: respx.Router, room: int, calls: int) -> None:
    route = wire.post().mock(side_effect=httpx.ReadTimeout("never"))
    model, meter, prompt = a_model(), Counting(room), a_prompt()
    most = model.most(prompt)
    found = await model.ask_within(prompt, Opinion, meter=meter)
    assert (route.call_count, found.unsettled) == (calls, most.times(calls))
    assert meter.reserved == [most] * (calls - 1)


@pytest.mark.parametrize("fault", [an_error(503), an_error(429), httpx.ConnectError("no"), httpx.ConnectTimeout("no")])
async def test_an_attempt_that_never_reached_the_model_costs_nothing(wire: respx.Router, fault: Any) -> None:
    answers = {"side_effect": [fault, fault, ANSWER]}
    wire.post().mock(**answers)
    found = await a_model().ask_within(a_prompt(), Opinion, meter=Counting(0))
    assert (found.failure, found.unsettled) == ("", None)


async def test_an_attempt_that_timed_out_stays_counted_beside_the_answer(wire: respx.Router) -> None:
    wire.post().mock(side_effect=[httpx.ReadError("broke"), ANSWER])
    model, prompt = a_model(), a_prompt()
    found = await model.ask(prompt, Opinion)
    assert (found.failure, found.unsettled, found.input_tokens) == ("", model.most(prompt), 100)


async def test_a_question_costs_at_most_what_was_said(wire: respx.Router) -> None:
    model = a_model(max_output_tokens=1_000)
    most = model.most(prompt := a_prompt())
    assert prompt.tokens.used + 1_000 < most.tokens < prompt.tokens.used + 2_000
    assert most.usd is not None
    assert Decimal("0.002") < most.usd < Decimal("0.003")
    assert a_model("openai/gpt-9").most(prompt).usd is None
    assert a_model("ollama/x").most(prompt).usd == 0


async def test_questions_asked_at_once_do_not_disturb_each_other(wire: respx.Router) -> None:
    tries: dict[int, int] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        system = json.loads(request.content)["messages"][0]["content"]
        failing = int(system.split()[0])
        tries[failing] = tries.get(failing, 0) + 1
        return an_error(503) if tries[failing] <= failing else an_answer(json.dumps(OPINION | {"rationale": system}))

    wire.post().mock(side_effect=answer)
    model = a_model()
    prompts = [a_prompt(system=f"{failing} failures first") for failing in (0, 1, 2, 3)]
    found = await asyncio.gather(*(model.ask(prompt, Opinion) for prompt in prompts))
    said = [each.answer.rationale if each.answer else each.failure[:11] for each in found]
    assert said[:3] == [prompt.messages[0].content for prompt in prompts[:3]]
    assert said[3] == "unavailable"
    assert tries == {0: 1, 1: 2, 2: 3, 3: 3}


@pytest.mark.parametrize(
    ("text", "finish", "failure"),
    [
        (json.dumps(OPINION), "length", "length: "),
        (json.dumps(OPINION), "content_filter", "blocked: "),
        (None, "stop", "empty: "),
        ("  \n", "stop", "empty: "),
        ("I would buy.", "stop", "unreadable: "),
        (json.dumps(OPINION | {"conviction": 3}), "stop", "unreadable: conviction"),
        ("I'm sorry, but I can't help with that.", "stop", "refusal: the model declined"),
        (json.dumps(OPINION | {"rationale": "\ud800"}), "stop", "unreadable: "),
    ],
)
async def test_an_answer_cut_withheld_empty_or_odd_is_a_failure(
    wire: respx.Router, text: str | None, finish: str, failure: str
) -> None:
    wire.post().mock(return_value=an_answer(text, finish=finish))
    found = await a_model().ask(a_prompt(), Opinion)
    assert (found.answer, found.failure.startswith(failure)) == (None, True), found.failure
    assert found.input_tokens == 100


def a_message(**fields: object) -> httpx.Response:
    """An answer whose message has `fields`."""
    body = json.loads(an_answer("").content)
    body["choices"][0]["message"] |= fields
    return httpx.Response(200, json=body)


SAID = json.dumps(OPINION)
IN_PARTS = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
"""OpenAI's class says that content is text, and warns of parts. The gateway turns that off, which pytest undoes."""


@IN_PARTS
@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "text", "text": SAID}],
        [{"type": "text", "text": SAID[:20]}, {"type": "text", "text": SAID[20:]}],
        [{"type": "thinking", "thinking": "sell?"}, {"type": "output_text", "text": SAID}],
    ],
)
async def test_content_in_parts_is_read_as_one_text(wire: respx.Router, parts: list[dict[str, object]]) -> None:
    wire.post().mock(return_value=a_message(content=parts))
    found = await a_model().ask(a_prompt(), Opinion)
    assert (found.failure, found.answer) == ("", Opinion.model_validate(OPINION))


@IN_PARTS
@pytest.mark.parametrize(
    "fields",
    [
        {"content": None, "refusal": "I can't help with that."},
        {"content": SAID, "refusal": "I can't help with that."},
        {"content": [{"type": "refusal", "refusal": "No."}]},
    ],
)
async def test_what_the_provider_calls_a_refusal_is_one(wire: respx.Router, fields: dict[str, object]) -> None:
    wire.post().mock(return_value=a_message(**fields))
    found = await a_model().ask(a_prompt(), Opinion)
    assert (found.answer, found.failure) == (None, "refusal: the provider says that the model declined")


async def test_anthropic_refuses_by_how_it_stops(wire: respx.Router) -> None:
    body = recording("anthropic__plain")["interactions"][0]["response"]["body"]
    wire.post().mock(return_value=httpx.Response(200, json=body | {"stop_reason": "refusal", "content": []}))
    found = await a_model("anthropic/claude-haiku-4-5-20251001").ask(a_prompt(), Opinion)
    assert (found.answer, found.failure.split(":")[0] in ("refusal", "blocked")) == (None, True), found.failure


@IN_PARTS
@pytest.mark.parametrize("content", [None, "", [], "\n\n"])
@pytest.mark.parametrize("name", ["deepseek/deepseek-reasoner", "xai/grok-4.3", "openai/gpt-5-mini"])
async def test_what_a_provider_calls_reasoning_is_no_answer(wire: respx.Router, name: str, content: object) -> None:
    wire.post().mock(return_value=a_message(content=content, reasoning_content=SAID))
    found = await a_model(name).ask(a_prompt(), Opinion)
    assert (found.answer, found.failure) == (None, "empty: the model thought, and gave no answer")
    assert found.text == SAID


@pytest.mark.parametrize("over", [{"base_url": "http://127.0.0.1:8000/v1"}, {}])
async def test_a_server_of_ones_own_files_its_answer_as_reasoning(wire: respx.Router, over: dict[str, str]) -> None:
    name = "openai/mine" if over else "hosted_vllm/mine"
    environ = {"HOSTED_VLLM_API_BASE": "http://127.0.0.1:8000/v1"}
    for thinking, answer in ((SAID, "buy"), (f"I think {SAID}", None), ("sell", None), (SAID + SAID, None)):
        wire.post().mock(return_value=a_message(content=None, reasoning_content=thinking))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOSTED_VLLM_API_BASE", environ["HOSTED_VLLM_API_BASE"])
            found = await a_model(name, api_key=None, **over).ask(a_prompt(), Opinion)
        assert (found.answer and found.answer.stance) == answer, found.failure
        assert bool(found.notes) == (answer is not None)


async def test_what_was_left_aside_of_an_answer_is_noted(wire: respx.Router) -> None:
    wire.post().mock(return_value=an_answer(json.dumps(OPINION | {"quantity": 3})))
    found = await a_model().ask(a_prompt(), Opinion)
    assert found.answer == Opinion.model_validate(OPINION)
    assert found.notes == ("dropped, for the schema has no such key: quantity",)
    assert "notes" not in canonical(found.model_copy(update={"notes": ()}))


async def test_an_answer_has_one_byte_form_whatever_stands_in_it(wire: respx.Router) -> None:
    wire.post().mock(return_value=an_answer("\ud800 half a character"))
    found = await a_model().ask(a_prompt(), Opinion)
    adapter = TypeAdapter(Completion[Opinion])
    assert adapter.validate_json(canonical(found)) == found
    assert found.text == "? half a character"


@pytest.mark.parametrize("name", ["openai/gpt-9", "deepseek/deepseek-v99", "openrouter/nobody/nothing"])
async def test_a_price_that_nobody_knows_is_not_zero(wire: respx.Router, name: str) -> None:
    wire.post().mock(return_value=an_answer(json.dumps(OPINION), model=name.rpartition("/")[2]))
    found = await a_model(name).ask(a_prompt(), Opinion)
    assert (found.answer is not None, found.cost_usd) == (True, None)


async def test_a_price_that_was_set_is_the_price(wire: respx.Router) -> None:
    wire.post().mock(return_value=an_answer(json.dumps(OPINION)))
    price = Price(input=Decimal("1.25"), output=Decimal(10))
    for name in ("openai/gpt-9", "openai/gpt-5-mini"):
        found = await a_model(name, price=price).ask(a_prompt(), Opinion)
        assert found.cost_usd == Decimal("0.000325")  # 100 tokens in and 20 out


async def test_a_server_of_ones_own_costs_nothing(wire: respx.Router) -> None:
    wire.post().mock(return_value=an_answer(json.dumps(OPINION)))
    found = await a_model("openai/gpt-5-mini", base_url="http://127.0.0.1:8000/v1").ask(a_prompt(), Opinion)
    assert (found.answer is not None, found.cost_usd) == (True, Decimal(0))


async def test_the_key_stands_in_no_failure(wire: respx.Router) -> None:
    wire.post().mock(return_value=an_error(401, f"Incorrect API key provided: {KEY} or sk-proj-aaaabbbbcccc1234"))
    found = await a_model().ask(a_prompt(), Opinion)
    assert found.failure == "auth: Incorrect API key provided: *** or ***"


async def test_a_server_of_ones_own_needs_no_key_and_gets_none(wire: respx.Router) -> None:
    route = wire.post("http://localhost:8000/v1/chat/completions").mock(return_value=ANSWER)
    model = LiteLLMModel(
        "openai/mine", base_url="http://localhost:8000/v1", environ={"OPENAI_API_KEY": KEY}, sleep=Naps()
    )
    model.check()
    assert (await model.ask(a_prompt(), Opinion)).answer is not None
    assert KEY not in str(route.calls[0].request.headers)


def test_a_missing_key_is_named_before_anything_is_asked() -> None:
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY is not set"):
        a_model("anthropic/claude-haiku-4-5", api_key=None).check()
    a_model("anthropic/claude-haiku-4-5", api_key=None, environ={"ANTHROPIC_API_KEY": KEY}).check()


def test_an_unknown_provider_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="names no provider"):
        a_model("gpt-5-mini")


def test_heavy_libraries_are_not_imported_until_a_model_is_asked() -> None:
    script = (
        "import sys, agents.gateway, agents.scripted, tools.toolbox, tools.indicators, tools.headlines\n"
        "model = agents.gateway.LiteLLMModel('openai/gpt-5-mini', environ={'OPENAI_API_KEY': 'x'}); model.check()\n"
        "print(sorted({'litellm', 'openai', 'pandas', 'ta', 'tiktoken', 'vaderSentiment'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
