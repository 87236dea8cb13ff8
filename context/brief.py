"""The brief: what a model is asked, apart from what it is shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from domain.digest import digest, sha256
from domain.errors import NotCanonical
from domain.value import Value


def _encodable(text: str) -> str:
    try:
        sha256(text)
    except NotCanonical as error:
        raise ValueError("the text has a lone surrogate") from error
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class Brief(Value):
    """Who the model is (`system`), what to do (`instructions`), about what, and how to answer.

    `answer_schema` is canonical JSON. All of it counts against the budget, and all of it is our own
    text: nothing untrusted belongs here.
    """

    system: Text = ""
    instructions: Text = ""
    answer_schema: Text = ""
    subject: Text = ""

    @property
    def digest(self) -> str:
        return digest(self)
