"""Language models of any provider through LiteLLM, which is imported when a model is first asked."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, wraps
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, SecretStr

from agents.answers import Reading, Refusal, Unreadable, answer_schema, read_answer
from agents.faults import RETRYABLE, fault_of, masked, may_be_billed, retry_after_s, words_of
from agents.model import MOST_CHARS, NOTHING, Completion, Meter, Spend, completion_of
from agents.pricing import FREE, Price, price_of
from agents.providers import KEYLESS, key_for, provider_of, require_key
from agents.replies import Reply, Tokens, reply_of, text_of, tokens_of
from context.prompt import Message, system
from context.synthesis import Synthesis
from context.tokenizer import Tokenizer
from domain.digest import canonical
from domain.money import reading
from tools.tokenizers import tokenizer_for

T = TypeVar("T", bound=BaseModel)

_STAY_LOCAL = (
    "DISABLE_AIOHTTP_TRANSPORT",  # httpx instead, which tests can stand in for
    "LITELLM_LOCAL_MODEL_COST_MAP",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS",
)
_LONGEST_PAUSE_S = 8
_AROUND = 500
"""Tokens that providers put around a prompt: xAI counts 130 for a question of ten."""


@dataclass(frozen=True, slots=True)
class _Tried(Generic[T]):
    """What came of one attempt."""

    completion: Completion[T]
    may_be_billed: bool = False
    """Though it has no answer that says so."""
    retry_after_s: float | None = None
    """How long the provider says to wait."""


def _settled(completion: Completion[T], unsettled: Spend) -> Completion[T]:
    return completion.model_copy(update={"unsettled": None if unsettled == NOTHING else unsettled})


class _Boundless:
    """The meter of who asks without a budget."""

    def again(self, most: Spend) -> str:
        return ""


class LiteLLMModel:
    """One model of one provider, named as LiteLLM names it: `openai/gpt-5-mini`, `anthropic/claude-…`.

    The key is `api_key`, else the provider's variable in `environ`. `base_url` points at a server that
    speaks OpenAI's protocol (`openai/NAME`), which may need no key and is never sent one from `environ`.
    `price` is what its tokens cost where it is not on LiteLLM's list, or costs something else there.
    Timeouts, rate limits and outages are asked again up to `attempts` times; nothing else is. Raises
    `UsageError` for an unknown provider.
    """

    paid = True

    def __init__(
        self,
        name: str,
        *,
        api_key: SecretStr | None = None,
        base_url: str | None = None,
        timeout_s: float = 60,
        max_output_tokens: int = 4_000,
        temperature: float = 0,
        attempts: int = 3,
        price: Price | None = None,
        environ: Mapping[str, str] = os.environ,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._own = base_url is not None or provider_of(name) in KEYLESS
        provider_of(name)
        self.name = name
        self._priced = price
        self.price = price_of(name, price=price, base_url=base_url, environ=environ)
        """The most that a token costs; `None` where nobody knows."""
        self._api_key = api_key or (None if base_url else key_for(name, environ))
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._max_output_tokens = max_output_tokens
        self._temperature = temperature
        self._environ = environ
        self.attempts = attempts
        self._sleep = sleep

    @property
    def tokenizer(self) -> Tokenizer:
        return tokenizer_for(self.name)

    def check(self) -> None:
        """Raise `UsageError` naming the environment variable when the provider's key is missing."""
        if self._api_key is None and self._base_url is None:
            require_key(self.name, self._environ)

    def most(self, prompt: Synthesis) -> Spend:
        """The most that one attempt may be billed for: the prompt, what providers put around it, and a whole answer."""
        tokens = prompt.tokens.used + _AROUND
        usd = self.price.of(input_tokens=tokens, output_tokens=self._max_output_tokens) if self.price else None
        return Spend(tokens=tokens + self._max_output_tokens, usd=usd)

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        """Ask with `schema` as the form of the answer; see `LanguageModel.ask`."""
        return await self.ask_within(prompt, schema, meter=_Boundless())

    async def ask_within(self, prompt: Synthesis, schema: type[T], *, meter: Meter) -> Completion[T]:
        """Ask, where the first attempt is reserved; see `Metered`."""
        try:
            litellm = await asyncio.to_thread(_litellm)  # its import takes seconds: the loop goes on meanwhile
        except ImportError as error:
            return self._refused(error, schema).completion
        most, unsettled, waited_s = self.most(prompt), NOTHING, 0.0
        for attempt in range(self.attempts):
            tried = await self._ask_once(litellm, prompt, schema)
            unsettled += most if tried.may_be_billed else NOTHING
            if not tried.completion.retryable or attempt + 1 == self.attempts:
                break
            if tried.may_be_billed and meter.again(most):
                break
            pause_s = max(tried.retry_after_s or 0, min(2**attempt, _LONGEST_PAUSE_S))
            waited_s += pause_s
            if waited_s > self._timeout_s:
                return self._too_late(tried, unsettled, pause_s)
            await self._sleep(pause_s)
        return _settled(tried.completion, unsettled)

    def _too_late(self, tried: _Tried[T], unsettled: Spend, pause_s: float) -> Completion[T]:
        failure = f"{tried.completion.failure}; not asked again: that is to wait {pause_s:.0f} s of {self._timeout_s:g}"
        return _settled(tried.completion.model_copy(update={"failure": failure}), unsettled)

    async def _ask_once(self, litellm: Any, prompt: Synthesis, schema: type[T]) -> _Tried[T]:
        try:
            request = self._request(litellm, prompt, schema)
            async with asyncio.timeout(self._timeout_s):
                response = await litellm.acompletion(**request)
            return _Tried(self._completion(response, schema))
        except Exception as error:  # providers' clients raise anything; a model call is a boundary that goes on
            return self._refused(error, schema)

    def _request(self, litellm: Any, prompt: Synthesis, schema: type[BaseModel]) -> dict[str, object]:
        key = self._api_key.get_secret_value() if self._api_key else None
        native = bool(litellm.supports_response_schema(model=self.name))
        messages = _without_schema(prompt, schema) if native else prompt.messages
        return {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "response_format": _form(schema, native=native),
            "api_key": key or ("none" if self._base_url else None),
            "base_url": self._base_url,
            "timeout": self._timeout_s,
            "max_tokens": self._max_output_tokens,
            "temperature": self._temperature,
            "drop_params": True,  # what a model does not take (temperature, for some) is left out
            "num_retries": 0,
            "max_retries": 0,
        }

    def _refused(self, error: Exception, schema: type[T]) -> _Tried[T]:
        kind = fault_of(error)
        secrets = (self._api_key.get_secret_value(),) if self._api_key else ()
        words = masked(words_of(error), secrets)
        completion = completion_of(schema)(
            model=self.name, failure=f"{kind}: {words}", retryable=kind in RETRYABLE, finish="error"
        )
        return _Tried(completion, may_be_billed=may_be_billed(error, kind), retry_after_s=retry_after_s(error))

    def _completion(self, response: Any, schema: type[T]) -> Completion[T]:
        reply = reply_of(response)
        parsed, failure = self._read(reply, schema)
        tokens = tokens_of(response)
        return completion_of(schema)(
            model=self.name,
            answer=parsed.answer if parsed else None,
            failure=failure,
            notes=parsed.notes if parsed else (),
            finish=reply.finish,
            text=(reply.text if reply.text.strip() else reply.thinking)[:MOST_CHARS],
            cost_usd=self._cost(response, tokens),
            **tokens,
        )

    def _cost(self, response: Any, tokens: Tokens) -> Decimal | None:
        """What a call cost: by LiteLLM's own sum where it knows the model, since that knows of cached tokens.

        `None` for an unknown price, and for an answer without counts.
        """
        if self.price is None or not any(tokens.values()):
            return None
        cost = getattr(response, "_hidden_params", {}).get("response_cost")
        if self._priced is None and self.price != FREE and cost:
            return reading(float(cost))
        return self.price.of(input_tokens=tokens["input_tokens"], output_tokens=tokens["output_tokens"])

    def _read(self, reply: Reply, schema: type[T]) -> tuple[Reading[T] | None, str]:
        if reply.refused:
            return None, "refusal: the provider says that the model declined"
        if reply.finish == "length":
            return None, f"length: cut at {self._max_output_tokens} tokens"
        if reply.finish == "content_filter":
            return None, "blocked: the provider withheld the answer"
        try:
            if reply.text.strip():
                return read_answer(reply.text, schema), ""
            return self._read_thinking(reply.thinking, schema)
        except Refusal as error:
            return None, f"refusal: {error}"
        except Unreadable as error:
            return None, f"unreadable: {error}"

    def _read_thinking(self, thinking: str, schema: type[T]) -> tuple[Reading[T] | None, str]:
        """An answer that has only thinking. A provider means no answer by that, whatever stands there.

        One's own server that was given a grammar is another matter: vLLM and LM Studio file what the grammar let
        through as reasoning where the model opened no thought. So nothing but the bare object is an answer there.
        """
        if not thinking.strip():
            return None, "empty: the answer has no text"
        if not self._own or not thinking.strip().startswith("{"):
            return None, "empty: the model thought, and gave no answer"
        parsed = read_answer(thinking, schema)
        return replace(parsed, notes=(*parsed.notes, "read where the server files its reasoning")), ""


@cache
def _litellm() -> Any:
    """LiteLLM, told to stay local: no lists fetched from the network, no telemetry, no chatter on stderr.

    Nor does it read a `.env` of the current folder: what is switched on by variables must be seen before a run begins.
    """
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    for setting in _STAY_LOCAL:  # read at import, so there is no other way to say it
        os.environ.setdefault(setting, "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    _take_parts(litellm.Message)
    return litellm


def _take_parts(message: Any) -> None:
    """Let LiteLLM's messages be made of content in parts, as some servers send it.

    Its class says that content is text: a paid answer in parts would be an error, and be asked for again.
    """
    make = message.__init__

    @wraps(make)
    def made(self: object, content: object = None, *args: object, **fields: object) -> None:
        text, refusal = text_of(content)
        more = fields.get("provider_specific_fields")
        if refusal:
            fields["provider_specific_fields"] = {**(more if isinstance(more, dict) else {}), "refusal": refusal}
        make(self, text, *args, **fields)

    message.__init__ = made
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings")  # OpenAI's own class says text as well


def _form(schema: type[BaseModel], *, native: bool) -> dict[str, object]:
    """A JSON schema where the model takes one, else plain JSON; LiteLLM drops what it doesn't know."""
    if not native:
        return {"type": "json_object"}
    form = {"name": schema.__name__.lower(), "strict": True, "schema": dict(answer_schema(schema))}
    return {"type": "json_schema", "json_schema": form}


def _without_schema(prompt: Synthesis, schema: type[BaseModel]) -> tuple[Message, ...]:
    """The messages for a model that is given the schema beside them: there it stands once, and not in the text too.

    The budget was charged for it in the text, so that the whole request stays within.
    """
    if prompt.brief.answer_schema != canonical(answer_schema(schema)):
        return prompt.messages  # the text asks for another form than the caller, and so keeps it
    bare = system(prompt.brief.model_copy(update={"answer_schema": ""}))
    return tuple(Message(each.role, bare) if each.role == "system" else each for each in prompt.messages)
