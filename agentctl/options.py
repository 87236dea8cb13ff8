"""Options that several commands take, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout instead of tables.")]
Db = Annotated[str | None, typer.Option("--db", metavar="URL", help="Database, sqlite:///FILE or postgresql://…")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")]
RunId = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="A run: its id, the beginning of it, or last.  [default: last]"),
]

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. It is kept for good, with the name.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides.  [default: the user of this process]")
]
ApprovalId = Annotated[str, typer.Argument(metavar="ID", help="A question: its id, or the beginning of it.")]
RunOrAll = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="A run: its id, the beginning of it, or last.  [default: all runs]"),
]

Prompt = Annotated[
    Path | None,
    typer.Option("--prompt", metavar="FILE", help="What the model is asked to do, with {symbol} where that stands."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="A setting, as risk.stop_atr=3; may be given several times."),
]
Reload = Annotated[
    bool, typer.Option("--reload", help="With --resume: take what agentctl.toml and AGENTCTL_* variables say now.")
]
ChangeReason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="With --resume: why its settings change; kept for good.")
]
