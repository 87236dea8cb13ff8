"""The commands about trading with money: arming, disarming, and holding the books against the exchange's."""

from __future__ import annotations

from typing import Annotated

import typer

from agentctl.options import By, Db, Json, Reason, RunId

Exchange = Annotated[str, typer.Argument(metavar="EXCHANGE", help="An exchange by its name in ccxt, such as okx.")]


def register(app: typer.Typer) -> None:
    app.command()(arm)
    app.command()(disarm)
    app.command()(reconcile)


def arm(
    exchange: Exchange,
    reason: Reason,
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 8h, 2d; at most 7d.")],
    by: By = None,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Give runs with --live leave to enter positions at an exchange, for a while. It ends by itself."""
    from agentctl.commands import arming

    arming.arm(exchange, duration=duration, reason=reason, by=by, db=db, as_json=as_json)


def disarm(exchange: Exchange, reason: Reason, by: By = None, db: Db = None, as_json: Json = False) -> None:
    """Withdraw authorization now: no new positions. Open positions can still be closed; use agentctl halt --level all
    to block exits as well."""
    from agentctl.commands import arming

    arming.disarm(exchange, reason=reason, by=by, db=db, as_json=as_json)


def reconcile(run: RunId = None, db: Db = None, as_json: Json = False) -> None:
    """Hold a run's books against the venue's: orders, fills, positions, balances. Changes nothing.

    Exit code 0 says proven, 3 that something differs, 5 that the venue did not tell all.
    """
    from agentctl.commands.reconcile import reconcile as hold

    hold(run, db=db, as_json=as_json)
