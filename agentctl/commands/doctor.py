"""`agentctl doctor`: whether this installation can do its work, and what to mend where it can't."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from agentctl.archive import wait
from agentctl.certified import line_of
from agentctl.clashes import foreign_owners, require_own_packages
from agentctl.commands.status import in_force, scope_in_words
from agentctl.keys import keys_for, names
from agentctl.money import probe, where_of
from agentctl.output import print_json, print_table
from agentctl.settings import load
from agentctl.tracing import idle, switched_on
from agentctl.vitals import vitals_in
from agents.faults import KINDS
from agents.models import open_model
from agents.providers import KEYLESS, KEYS, provider_of
from agents.pulse import pulse, spent_on
from domain.digest import plain
from domain.errors import AgentctlError, ModelUnavailable, NotFound, Refused, UsageError
from domain.value import Value
from graphs.session.profiles import policy_in_effect
from graphs.session.trading_halt import HALT_FILE, halts
from memory.archive.archive import Archive
from memory.store.database import Database


class Finding(Value):
    check: str
    ok: bool
    found: str


def examine(*, venue: str | None, model: str | None, db: str | None, as_json: bool) -> None:
    """Run every check; exit code 3 when one fails. Values of keys are never shown, only whether they are set."""
    url = load(db=db).database_url
    checks: dict[str, Callable[[], str]] = {
        "python": lambda: sys.version.split()[0],
        "agentctl": lambda: version("agentctl"),
        "package names": _names,
        "settings": lambda: f"model {load().model}, market {load().market}",
        "policy": lambda: f"{(policy := policy_in_effect(load().policy)).name} {policy.digest[:12]}",
        "database": lambda: wait(_database(url)),
        "trading state": lambda: wait(_trading_state(url)),
        "halt file": _halt_file,
        "model": lambda: _ready(load().model),
        "tokenizer": lambda: f"{open_model(load().model, asking=False).tokenizer.name} counts offline",
        "keys": _keys,
        "tracing": _tracing,
    }
    if model is not None:
        checks[f"{model}"] = lambda: wait(_pulse_of(model))
    if venue is not None:
        checks |= {
            f"{venue} keys": lambda: _exchange_keys(venue),
            f"{venue}": lambda: wait(_exchange(venue)),
            f"{venue} certification": lambda: line_of(venue, load().data_dir),
        }
    findings = [_finding(name, check) for name, check in checks.items()]
    now = datetime.now(UTC)
    findings += [
        Finding(check="running", ok=each.well(now=now), found=each.in_words(now=now))
        for each in vitals_in(load().data_dir)
    ]
    if as_json:
        print_json(findings)
    else:
        print_table(
            "doctor", ("check", "", "found"), [(f.check, "ok" if f.ok else "FAILED", f.found) for f in findings]
        )
    if not all(f.ok for f in findings):
        sys.exit(Refused.exit_code)


def refuse_of_certification(*, certify: bool, others: Sequence[object]) -> None:
    """Raises `UsageError` for `--certify` without an exchange or with a model, and for its options without it."""
    if certify:
        raise UsageError("--certify is of one exchange", remedy="Write --exchange okx --certify, without --model")
    if any(option is not None for option in others):
        raise UsageError("--symbol, --most, --real and --recording are of a certification", remedy="Add --certify")


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(check=name, ok=True, found=check())
    except AgentctlError as error:
        return Finding(check=name, ok=False, found=str(error))


def _names() -> str:
    require_own_packages()
    others = foreign_owners()
    if others:
        who = "; ".join(f"{name} is also in {', '.join(owners)}" for name, owners in others.items())
        raise Refused(who, remedy="Install agentctl into an environment of its own, as the README says")
    return "no other distribution owns one of ours"


async def _database(url: str) -> str:
    try:
        database = await Database.open(url, create=False)
    except NotFound:
        return "none yet; the first run makes it"
    async with database:
        return f"{database.address}: {len(await Archive(database).runs(limit=1_000))} runs"


async def _trading_state(url: str) -> str:
    try:
        database = await Database.open(url, create=False)
    except NotFound:
        return "active"
    async with database:
        standing = await in_force(database)
    return "; ".join(f"{scope_in_words(each.scope)} is {each.describe}" for each in standing) or "active"


def _halt_file() -> str:
    file = load().data_dir / HALT_FILE
    return f"{file} is there, and halts every run of this folder" if halts(file) else "none"


def _tracing() -> str:
    """Fails where the libraries below us send what a run knows elsewhere, unless the settings say that they may."""
    senders, waiting = switched_on(os.environ), idle(os.environ)
    if senders and not load().live.allow_tracing:
        raise Refused(
            f"{'; '.join(senders)}. Live runs are refused", remedy="Unset it, or set allow_tracing = true under [live]"
        )
    unused = f"; {', '.join(waiting)} set, which switches nothing on" if waiting else ""
    return ("; ".join(senders) + ", as [live] allow_tracing says" if senders else "nothing is sent elsewhere") + unused


def _exchange_keys(exchange: str) -> str:
    return "set" if keys_for(exchange, os.environ) else f"none: {' and '.join(names(exchange)[:2])} are not set"


async def _exchange(exchange: str) -> str:
    """Asked with the keys at hand, or without. A key that may withdraw fails the check: live mode refuses it. So does
    money that lies where orders can't use it, while there is none where they can.
    """
    async with probe(exchange, load()) as venue:
        where = where_of(venue, load())
        theirs = await venue.time()
        ahead = None if theirs is None else round((theirs - datetime.now(UTC)) / timedelta(milliseconds=1))
        skew_ms = "" if ahead is None else f", its clock is {ahead} ms ahead of ours"
        if not keys_for(exchange, os.environ):
            return f"{where}: answers{skew_ms}; not asked about an account"
        rights, out_of_reach = await venue.rights(), await venue.out_of_reach()
    words = {True: "may", False: "may not", None: "is not told whether it may"}
    if rights.withdraw:
        raise Refused(f"the key of {rights.account} may withdraw", remedy="Make one that may only read and trade")
    if out_of_reach:
        raise Refused(
            f"there is no {venue.currency} to trade with, and {plain(out_of_reach)} in the funding account",
            remedy=f"Transfer it to the trading account at {exchange}",
        )
    key = f"the key of {rights.account} {words[rights.trade]} trade, {words[rights.withdraw]} withdraw"
    return f"{where}: answers{skew_ms}; {key}"


def _ready(name: str) -> str:
    """What is at hand to ask a model with. Whether it answers, only asking shows."""
    model = open_model(name, asking=True, prices=load().prices)
    if not model.paid:
        return f"{name} needs no key and no network"
    has = "a server of one's own, which needs no key" if provider_of(name) in KEYLESS else "its key is set"
    price = "" if getattr(model, "price", None) else "; its price is unknown, so that AGENT_BUDGET refuses entries"
    return f"{name}: {has}, not asked: agentctl doctor --model {name} does{price}"


async def _pulse_of(name: str) -> str:
    """Ask a model one short question. Raises `ModelUnavailable` when it can't be asked."""
    completion = await pulse(open_model(name, asking=True, prices=load().prices), at=datetime.now(UTC))
    if completion.failure.partition(":")[0] in KINDS:
        raise ModelUnavailable(f"{name} can't be asked: {completion.failure}")
    text = f"answers, but not as asked: {completion.failure}" if completion.failure else "answers as asked"
    return f"{text}; {spent_on(completion)}"


def _keys() -> str:
    have = [name for names in KEYS.values() for name in names if os.environ.get(name)]
    return ", ".join(have) + " set" if have else "none set; the rules model needs none"
