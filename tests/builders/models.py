"""A prompt to ask models with, and the recorded answers of providers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from builders.tools import START
from context.book import ContextBook
from context.brief import Brief
from context.synthesis import Synthesis
from context.tokenizer import Utf8Bytes

RECORDINGS = Path(__file__).parents[2].parent / "shared/data/llm"


def a_prompt(*, system: str = "You judge one symbol.", instructions: str = "Give your opinion.") -> Synthesis:
    brief = Brief(system=system, instructions=instructions, answer_schema="", subject="BTC/USDT")
    return ContextBook().synthesize(budget=5_000, tokenizer=Utf8Bytes(), as_of=START, brief=brief)


def recording(name: str) -> Any:
    """One file of recorded exchanges; skips the test where they aren't there."""
    path = RECORDINGS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the recorded exchange {name} is not on this machine")
    return json.loads(path.read_text())


def replies(name: str) -> list[httpx.Response]:
    """The responses in a recording, as they came over the wire."""
    return [reply(each["response"]) for each in recording(name)["interactions"]]


def reply(response: dict[str, Any]) -> httpx.Response:
    return httpx.Response(response["status"], headers=response.get("headers"), json=response["body"])


def an_answer(text: str | None, *, finish: str = "stop", model: str = "gpt-5-mini") -> httpx.Response:
    """What OpenAI's endpoint, and every server that speaks like it, answers."""
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1_735_689_600,
        "model": model,
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    # escaped, as some providers send it: a lone surrogate can be written so
    return httpx.Response(200, content=json.dumps(body), headers={"content-type": "application/json"})


def an_error(status: int, message: str = "went wrong", **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, json={"error": {"message": message, "type": "x", "code": "x"}})
