"""What a provider's reply holds: the words meant as the answer, a refusal, how it ended, and what it was billed for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of LiteLLM, whichever provider wrote it."""

    text: str
    """What stands where the answer belongs; the text parts of it where it comes in parts."""
    thinking: str
    """What the provider calls reasoning."""
    refused: bool
    finish: str


class Tokens(TypedDict):
    """The token counts of one call; `output_tokens` is all that was generated and billed."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int


def reply_of(response: Any) -> Reply:
    """The first choice of `response`. A lone surrogate has no UTF-8 form, and what is kept must have one."""
    if not response.choices:
        return Reply(text="", thinking="", refused=False, finish="")
    choice = response.choices[0]
    message = choice.message
    more = getattr(message, "provider_specific_fields", None) or {}
    text, refusal = text_of(message.content)
    finish = str(choice.finish_reason or "")
    return Reply(
        text=_writable(text or ""),
        thinking=_writable(str(getattr(message, "reasoning_content", None) or "")),
        refused=bool(refusal or getattr(message, "refusal", None) or more.get("refusal")) or finish == "refusal",
        finish=finish,
    )


def text_of(content: object) -> tuple[str | None, str]:
    """The text in a message's content, which may come in parts, and the refusal in it. Thinking is neither."""
    if not isinstance(content, list):
        return (None if content is None else str(content)), ""
    parts = [part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in content]
    text = "".join(str(part.get("text") or "") for part in parts if part.get("type") in ("text", "output_text"))
    return text, "".join(str(part.get("refusal") or "") for part in parts if part.get("type") == "refusal")


def tokens_of(response: Any) -> Tokens:
    """xAI and Google count reasoning beside the output: the total tells, however it is added up."""
    usage = getattr(response, "usage", None)
    prompt, completion, total = (
        int(getattr(usage, name, None) or 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    details = getattr(usage, "completion_tokens_details", None)
    reasoning = int(getattr(details, "reasoning_tokens", None) or 0)
    return Tokens(input_tokens=prompt, output_tokens=max(completion, total - prompt), reasoning_tokens=reasoning)


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()
