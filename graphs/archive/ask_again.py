"""Forking one context: another model, or other words, on the very same evidence."""

from __future__ import annotations

from agents.model import Completion, LanguageModel
from agents.models import open_model
from agents.rules import RulesModel
from context import Brief, ContextBook
from domain.decision import Opinion
from domain.errors import BudgetTooSmall
from domain.value import Digest, Value
from graphs.archive.snapshots import Replayed, open_snapshot
from memory.store.database import Database


class ForkReport(Value):
    """Two answers to one context, the archived one first."""

    snapshot: Digest
    subject: str
    model: str
    asked: str
    was: Opinion | None
    was_failure: str
    now: Opinion | None
    now_failure: str
    same_prompt: bool
    """Whether the other model was shown the same bytes; another prompt or tokenizer changes them."""
    reads_prompt: bool
    """Whether it reads them: the rules analyst judges readings, and other words change nothing for it."""
    tokens: int


async def ask_again(snapshot_id: str, *, model: str | None, prompt: str | None, database: Database) -> ForkReport:
    """Ask `model` (the archived one when `None`) about an archived context, with `prompt` as instructions when given.

    The same items at the same moment in the same budget, packed anew for the other model's tokenizer.
    Nothing of the archive changes. Raises `NotFound`, `Refused` for a context that was changed,
    `UsageError` for a model that is unknown or has no key, and `BudgetTooSmall` when the prompt does not fit.
    """
    replayed = await open_snapshot(snapshot_id, database=database)
    language_model = open_model(model or replayed.snapshot.request.model, asking=True)
    brief = (
        replayed.synthesis.brief
        if prompt is None
        else replayed.synthesis.brief.model_copy(update={"instructions": prompt})
    )
    try:
        answer = await _ask(replayed, language_model, brief=brief)
    except BudgetTooSmall as error:
        remedy = "Shorten the --prompt" if prompt is not None else "Choose a --model whose tokenizer counts less"
        raise type(error)(error.message, remedy=f"{remedy}: a context is asked about within its own budget") from None
    was = replayed.snapshot.answer
    return ForkReport(
        snapshot=replayed.record.id,
        subject=replayed.snapshot.subject,
        model=replayed.snapshot.request.model,
        asked=language_model.name,
        was=Opinion.model_validate_json(was.body) if was.body else None,
        was_failure=was.failure,
        now=answer.answer,
        now_failure=answer.failure,
        same_prompt=prompt is None and language_model.tokenizer.name == replayed.snapshot.tokenizer,
        reads_prompt=language_model.name != RulesModel.name,
        tokens=answer.input_tokens + answer.output_tokens,
    )


async def _ask(replayed: Replayed, model: LanguageModel, *, brief: Brief) -> Completion[Opinion]:
    items = replayed.synthesis.items
    book = ContextBook(replayed.synthesis.settings, items=items, max_items=max(1, len(items)))
    synthesis = book.synthesize(
        budget=replayed.snapshot.budget, tokenizer=model.tokenizer, as_of=replayed.snapshot.as_of, brief=brief
    )
    return await model.ask(synthesis, Opinion)
