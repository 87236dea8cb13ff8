"""The command line. Each command imports what it needs when it is called, so that help comes at once."""

from __future__ import annotations

import gc
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from agentctl import live_app
from agentctl.options import (
    ApprovalId,
    By,
    ChangeReason,
    Db,
    Json,
    Limit,
    Prompt,
    Reason,
    Reload,
    RunId,
    RunOrAll,
    Sets,
)

app = typer.Typer(
    name="agentctl",
    help="Multi-agent LLM orchestration for trading: recorded, replayable, gated by a deterministic policy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
graphs_app = typer.Typer(help="The state machines that can be run.", no_args_is_help=True)
runs_app = typer.Typer(help="Runs in the archive.", no_args_is_help=True)
snapshots_app = typer.Typer(
    help="Archived contexts: what a model was shown and what it answered.", no_args_is_help=True
)
config_app = typer.Typer(help="Settings in effect.", no_args_is_help=True)
policy_app = typer.Typer(
    help="Policies: what they say, how they differ, and what the gate decided by them.", no_args_is_help=True
)
app.add_typer(graphs_app, name="graphs")
app.add_typer(runs_app, name="runs")
app.add_typer(snapshots_app, name="snapshots")
app.add_typer(config_app, name="config")
app.add_typer(policy_app, name="policy")
approvals_app = typer.Typer(help="Orders about which the gate asks a person.", no_args_is_help=True)
app.add_typer(approvals_app, name="approvals")


class OnExit(StrEnum):
    KEEP = "keep"
    FLATTEN = "flatten"


class Form(StrEnum):
    TEXT = "text"
    JSON = "json"
    HTML = "html"


@app.command()
def run(
    graph: Annotated[str | None, typer.Option(help="Which graph to run.  [default: trading]")] = None,
    market: Annotated[
        str | None, typer.Option(help="sim, file:PATH for recorded candles, or an exchange: okx.  [default: sim]")
    ] = None,
    symbols: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Symbols such as BTC/USDT; to be named on an exchange.  [default: all]"),
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m, 5m, 1h, 1d.  [default: the market's]")] = None,
    cycles: Annotated[
        int | None,
        typer.Option(min=0, help="How many cycles in all; 0 for no end.  [default: 60; on an exchange no end]"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="rules, or a LiteLLM name like openai/gpt-5-mini.  [default: rules]")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file, or a profile.  [default: conservative]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the simulated market.  [default: 7]")] = None,
    cash: Annotated[str | None, typer.Option(help="Paper cash at the start.  [default: 100000]")] = None,
    fee_bps: Annotated[
        str | None,
        typer.Option(metavar="BPS", help="Paper: the fee of every fill, in basis points.  [default: as [paper] says]"),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a run: its id, the beginning of it, or last.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Trade with money on --market's exchange; needs keys and agentctl arm.")
    ] = False,
    adopt: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="With --live: symbols held already that the run is to manage as its own."),
    ] = None,
    on_exit: Annotated[
        OnExit,
        typer.Option(
            help="What becomes of open positions when the run ends in order, or by Ctrl-C: keep them, or close them "
            "first (flatten)."
        ),
    ] = OnExit.KEEP,
    prompt: Prompt = None,
    sets: Sets = None,
    reload: Reload = False,
    by: By = None,
    reason: ChangeReason = "",
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Run a graph on a market, on paper unless --live is said, and record everything.

    Without options: the simulated market, the rules analyst, a paper venue and SQLite in ./.agentctl.

    A run that is resumed keeps its settings. --model, --policy, --prompt, --set and --reload change them from its next
    cycle on, which is recorded with --by and --reason; market, symbols and account stay.
    """
    from agentctl.changes import ChangeOptions
    from agentctl.commands.run import RunRequest, run_command

    run_command(
        RunRequest(
            graph=graph,
            market=market,
            symbols=symbols,
            timeframe=timeframe,
            cycles=cycles,
            options=ChangeOptions(model=model, policy=policy, prompt=prompt, sets=tuple(sets or ()), reload=reload),
            by=by,
            reason=reason,
            seed=seed,
            cash=cash,
            fee_bps=fee_bps,
            resume=resume,
            live=live,
            adopt=adopt,
            on_exit=on_exit.value,
            db=db,
            as_json=as_json,
        )
    )


@app.command()
def replay(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot: its id, the beginning of it, or last.")] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN", help="A whole run instead of one snapshot; last is the newest."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Judge the run's proposals again by this policy.")] = None,
    model: Annotated[str | None, typer.Option(help="Ask another model about the snapshot's context.")] = None,
    prompt: Annotated[Path | None, typer.Option(help="Ask with the instructions in this file instead.")] = None,
    from_cycle: Annotated[
        int | None, typer.Option("--from", metavar="CYCLE", help="Fork the run there: go on with what was changed.")
    ] = None,
    cycles: Annotated[int | None, typer.Option(min=1, help="With --from: how many cycles in all.")] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Run a snapshot or a whole run again from the archive, offline, and compare every byte.

    With --policy: which verdicts of a run would change. With --model or --prompt: what another model, or other words,
    make of a snapshot's context. With --from: a new run that is the old one up to a cycle and goes on with another
    --model, --policy or the lanes in agentctl.toml.
    """
    from agentctl.commands import replay as replays
    from domain.errors import UsageError

    if (snapshot is None) == (run is None):
        raise UsageError("replay takes a snapshot or --run RUN", remedy="Name one: agentctl runs list, snapshots list")
    if snapshot is not None and policy is not None:
        raise UsageError("--policy judges a run", remedy="Name it with --run")
    if (from_cycle is not None and run is None) or (cycles is not None and from_cycle is None):
        raise UsageError("--from forks a run, and --cycles goes with it", remedy="Name it: --run RUN --from CYCLE")
    if run is not None and (prompt is not None or (model is not None and from_cycle is None)):
        raise UsageError("--model and --prompt ask about one snapshot", remedy="Name it, or fork the run with --from")
    if run is not None and from_cycle is not None:
        from agentctl.commands.run import fork_command

        fork_command(run, from_cycle=from_cycle, model=model, policy=policy, cycles=cycles, db=db, as_json=as_json)
    elif run is not None and policy is not None:
        replays.what_if(run, policy=policy, db=db, as_json=as_json)
    elif snapshot is not None and (model is not None or prompt is not None):
        replays.fork_snapshot(snapshot, model=model, prompt=prompt, db=db, as_json=as_json)
    else:
        replays.exact(snapshot, run=run, db=db, as_json=as_json)


@app.command()
def diff(
    left: Annotated[str, typer.Argument(help="A run or a snapshot.")],
    right: Annotated[str, typer.Argument(help="Another one of its kind; last is the newest run.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with all differences, too.")] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Two runs or two snapshots side by side: context, stance, verdict, orders, equity."""
    from agentctl.commands.diff import diff_command

    diff_command(left, right, html=html, db=db, as_json=as_json)


@graphs_app.command("list")
def graphs_list(as_json: Json = False) -> None:
    """The graphs that `run --graph` takes."""
    from agentctl.commands.graphs import list_graphs

    list_graphs(as_json=as_json)


@graphs_app.command("show")
def graphs_show(name: str, as_json: Json = False) -> None:
    """The nodes and edges of a graph, as Mermaid."""
    from agentctl.commands.graphs import show_graph

    show_graph(name, as_json=as_json)


@runs_app.command("list")
def runs_list(limit: Limit = 20, db: Db = None, as_json: Json = False) -> None:
    """The newest runs."""
    from agentctl.commands.runs import list_runs

    list_runs(limit=limit, db=db, as_json=as_json)


@runs_app.command("show")
def runs_show(run: str, db: Db = None, as_json: Json = False) -> None:
    """One run: how it was set, what it decided, and what came of it."""
    from agentctl.commands.runs import show_run

    show_run(run, db=db, as_json=as_json)


@snapshots_app.command("list")
def snapshots_list(run: RunOrAll = None, limit: Limit = 20, db: Db = None, as_json: Json = False) -> None:
    """Archived contexts, the latest first."""
    from agentctl.commands.snapshots import list_snapshots

    list_snapshots(run, limit=limit, db=db, as_json=as_json)


@snapshots_app.command("show")
def snapshots_show(
    snapshot: Annotated[str, typer.Argument(help="A snapshot: its id, the beginning of it, or last.")],
    form: Annotated[Form, typer.Option("--format", help="text, json or html.")] = Form.TEXT,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """What a model was shown, what was left out and why, and what it answered."""
    from agentctl.commands.snapshots import show_snapshot

    show_snapshot(snapshot, form="json" if as_json else form.value, db=db)


@snapshots_app.command("verify")
def snapshots_verify(run: RunOrAll = None, db: Db = None, as_json: Json = False) -> None:
    """Check every archived context and the chain it is part of. Exit code 3 says broken, and where."""
    from agentctl.commands.snapshots import verify_snapshots

    verify_snapshots(run, db=db, as_json=as_json)


@snapshots_app.command("prune")
def snapshots_prune(
    keep: Annotated[int, typer.Option(min=0, help="Keep the contexts of the run's last so many cycles.")],
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="A run: its id, the beginning of it, or last.")],
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Let go of old contexts' bodies. Their places in the chain stay, and runs still replay to the byte."""
    from agentctl.commands.snapshots import prune

    prune(run, keep=keep, db=db, as_json=as_json)


@app.command()
def orders(
    run: RunId = None,
    working: Annotated[bool, typer.Option("--working", help="Only those that may still trade.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing what changes, until Ctrl-C.")] = False,
    db: Db = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; with --watch one a line.")] = False,
) -> None:
    """The orders of a run, with their states and fills."""
    from agentctl.commands import books

    if watch:
        books.watch_orders(run, working=working, db=db, as_json=as_json)
    else:
        books.show_orders(run, working=working, db=db, as_json=as_json)


@app.command()
def positions(run: RunId = None, db: Db = None, as_json: Json = False) -> None:
    """What a run holds, and whether the books add up."""
    from agentctl.commands.books import show_positions

    show_positions(run, db=db, as_json=as_json)


@app.command()
def halt(
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept for good.  [default: halted by NAME]")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="reduce-only|flatten|all",
            help="reduce-only: exits still pass. flatten: close all positions, then halt. all: send no orders, not "
            "even exits. Stops already at the exchange stay.  [default: reduce-only]",
        ),
    ] = None,
    run: RunOrAll = None,
    by: By = None,
    file: Annotated[
        bool,
        typer.Option(
            "--file", help="Write the halt file too, which stops all orders of this folder's runs by being there."
        ),
    ] = False,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Stop trading, for one run or for every account in the database. Only a person lifts it: agentctl unhalt.

    Where the database can't be reached, the file HALT in the data folder is written, and exit code 5 says so.
    """
    from agentctl.commands import control

    control.halt(level=level, reason=reason, run=run, by=by, file=file, db=db, as_json=as_json)


@app.command()
def unhalt(reason: Reason, run: RunOrAll = None, by: By = None, db: Db = None, as_json: Json = False) -> None:
    """Resume trading after a halt, for one run or for every account in the database."""
    from agentctl.commands import control

    control.unhalt(reason=reason, run=run, by=by, db=db, as_json=as_json)


@app.command(hidden=True)
def resume(reason: Reason, run: RunOrAll = None, by: By = None, db: Db = None, as_json: Json = False) -> None:
    """The former name of unhalt."""
    from agentctl.commands import control
    from agentctl.output import warn

    warn("note: agentctl resume is now called agentctl unhalt; a run goes on with agentctl run --resume RUN")
    control.unhalt(reason=reason, run=run, by=by, db=db, as_json=as_json)


@app.command()
def rearm(
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="A run: its id, the beginning of it, or last.")],
    agent: Annotated[str, typer.Option(help="The agent that was stopped, such as risk.")],
    symbol: Annotated[str, typer.Option(help="The symbol that it was stopped in.")],
    reason: Reason,
    by: By = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Let an agent enter a symbol again, after the gate stopped it there for repeating itself."""
    from agentctl.commands import control

    control.rearm(run=run, agent=agent, symbol=symbol, reason=reason, by=by, db=db, as_json=as_json)


@app.command()
def status(run: RunOrAll = None, db: Db = None, as_json: Json = False) -> None:
    """The trading state in force, who is stopped, what waits for a person, and what was done last."""
    from agentctl.commands.status import status as show

    show(run=run, db=db, as_json=as_json)


live_app.register(app)


@approvals_app.command("list")
def approvals_list(
    everything: Annotated[bool, typer.Option("--all", help="Also those that were answered or have expired.")] = False,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """The orders that wait for a person, the oldest first."""
    from agentctl.commands.approvals import list_approvals

    list_approvals(everything=everything, db=db, as_json=as_json)


@approvals_app.command("show")
def approvals_show(id: ApprovalId, db: Db = None, as_json: Json = False) -> None:
    """One order exactly as it would be sent, and what the gate found against it."""
    from agentctl.commands.approvals import show_approval

    show_approval(id, db=db, as_json=as_json)


@approvals_app.command("approve")
def approvals_approve(id: ApprovalId, reason: Reason, by: By = None, db: Db = None, as_json: Json = False) -> None:
    """Let what was found against this one order stand aside. The gate judges it again when the run goes on."""
    from agentctl.commands.approvals import answer

    answer(id, approve=True, reason=reason, by=by, db=db, as_json=as_json)


@approvals_app.command("reject")
def approvals_reject(id: ApprovalId, reason: Reason, by: By = None, db: Db = None, as_json: Json = False) -> None:
    """Say no: the order is not sent."""
    from agentctl.commands.approvals import answer

    answer(id, approve=False, reason=reason, by=by, db=db, as_json=as_json)


@config_app.command("show")
def config_show(as_json: Json = False) -> None:
    """The settings in effect, from options, variables, agentctl.toml and defaults."""
    from agentctl.commands.config import show_config

    show_config(as_json=as_json)


@config_app.command("schema")
def config_schema() -> None:
    """The JSON Schema of agentctl.toml."""
    from agentctl.commands.config import show_schema

    show_schema()


@policy_app.command("show")
def policy_show(
    policy: Annotated[
        Path | None, typer.Argument(metavar="[NAME|FILE]", help="A profile or a file.  [default: the one in effect]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Every setting of a policy, as a file states it: a start for one of your own."""
    from agentctl.commands.policy import show_policy

    show_policy(policy, as_json=as_json)


@policy_app.command("check")
def policy_check(
    policy: Annotated[Path, typer.Argument(metavar="FILE", help="A policy file.")], as_json: Json = False
) -> None:
    """Find every mistake in a policy file at once, and show how it differs from the policy in effect."""
    from agentctl.commands.policy import check_policy

    check_policy(policy, as_json=as_json)


@policy_app.command("diff")
def policy_diff(
    left: Annotated[Path, typer.Argument(metavar="A", help="A profile or a file.")],
    right: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Judge this run's proposals by both; last is the newest.")
    ] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Settings in which two policies differ, and which is tighter in each. Exit code 3 says that they differ."""
    from agentctl.commands.policy import diff_policies

    diff_policies(left, right, run=run, db=db, as_json=as_json)


@policy_app.command("schema")
def policy_schema() -> None:
    """The JSON Schema of a policy file."""
    from agentctl.commands.policy import show_policy_schema

    show_policy_schema()


@policy_app.command("reference")
def policy_reference() -> None:
    """Every check with its rule, its source and what each profile sets, in Markdown."""
    from agentctl.commands.policy import show_reference

    show_reference()


@policy_app.command("explain")
def policy_explain(
    verdict: Annotated[str, typer.Argument(help="A verdict or its order: its id, the beginning of it, or last.")],
    run: RunOrAll = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Why a verdict is what it is: every check, the rules that refused, and what would have passed."""
    from agentctl.commands.decisions import explain_verdict

    explain_verdict(verdict, run=run, db=db, as_json=as_json)


@policy_app.command("eval")
def policy_eval(
    proposal: Annotated[Path, typer.Option(metavar="FILE", help="A proposal as JSON.")],
    facts: Annotated[Path, typer.Option(metavar="FILE", help="Facts as JSON.")],
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A policy file, or a profile.  [default: the one in effect]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge one proposal on facts of your own. Exit code 0 says allow, 3 deny or review."""
    from agentctl.commands.decisions import evaluate

    evaluate(proposal=proposal, facts=facts, policy=policy, as_json=as_json)


@policy_app.command("log")
def policy_log(
    run: RunId = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(metavar="POINTER", help="A JSON pointer to mask.  [default: /input/proposal/rationale]"),
    ] = None,
    db: Db = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per decision and line.")] = False,
) -> None:
    """What the gate decided in a run, with secrets masked."""
    from agentctl.commands.decisions import show_log

    show_log(run, masks=mask or (), db=db, as_json=as_json)


@app.command()
def doctor(
    exchange: Annotated[
        str | None,
        typer.Option(
            "--exchange", "--venue", metavar="EXCHANGE", help="Also ask this exchange: its clock, the key's rights."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also ask this model one short question, which costs a little.")
    ] = None,
    certify: Annotated[
        bool,
        typer.Option(
            "--certify", help="With --exchange: try it out with the least orders there are, and clean up after them."
        ),
    ] = False,
    symbol: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="With --certify: in which symbol.  [default: a liquid one]")
    ] = None,
    most: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT",
            help="With --certify: what may be in the symbol at most, in its quote currency.  [default: just enough]",
        ),
    ] = None,
    real: Annotated[
        bool, typer.Option("--real", help="With --certify: on a real account, where no sandbox is set.")
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --certify: where requests and answers are kept.  [default: certifications/ in the data folder]",
        ),
    ] = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Check the installation: packages, database, tokenizer, keys, name clashes. Asks only --exchange and --model."""
    if certify and exchange is not None and model is None:
        from agentctl.commands.certify import CertifyRequest, certify_command

        request = CertifyRequest(exchange=exchange, symbol=symbol, most=most, real=real, recording=recording)
        return certify_command(request, db=db, as_json=as_json)
    from agentctl.commands.doctor import examine, refuse_of_certification

    refuse_of_certification(certify=certify, others=(symbol, most, real or None, recording))
    return examine(venue=exchange, model=model, db=db, as_json=as_json)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"agentctl {installed('agentctl')}")
        raise typer.Exit


_COLLECTING: Final = (10_000, 20, 20)
"""New objects before the collector looks at them. With Python's 700 it takes an eighth of a start."""


def main(argv: list[str] | None = None) -> None:
    """The console script. An error is one line on stderr and a stable exit code; no traceback comes unasked."""
    gc.set_threshold(*_COLLECTING)
    try:
        app(args=argv)
    except Exception as error:
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    from domain.errors import AgentctlError

    if os.environ.get("AGENTCTL_DEBUG"):
        raise error
    if isinstance(error, AgentctlError):
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"error: unexpected {type(error).__name__}: {error}. AGENTCTL_DEBUG=1 shows where", file=sys.stderr)
    return 1
