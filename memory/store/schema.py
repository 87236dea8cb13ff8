"""The tables, and the digest that every row carries. Migrations in `memory/migrations` lead to exactly this."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

from domain.digest import digest, sha256
from memory.store.columns import DecimalText, InstantText

REVISION = "0004"
"""The newest migration. Equal to what the database says, Alembic need not be imported."""

VERSION_TABLE = "agentctl_version"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _number(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=key, autoincrement=False, nullable=False)


def _text(name: str, *, optional: bool = False) -> Column[str]:
    return Column(name, Text, nullable=optional)


def _decimal(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, DecimalText, nullable=optional)


def _instant(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, InstantText, nullable=optional)


runs = Table(
    "runs",
    metadata,
    _key("run_id"),
    _text("body"),
    _text("status"),
    _instant("created_at"),
    _instant("ended_at", optional=True),
    _text("parent", optional=True),
    _number("cycles"),
    _text("seal"),
    _text("digest"),
)

cycles = Table(
    "cycles",
    metadata,
    _key("run_id"),
    _number("cycle", key=True),
    _instant("as_of"),
    _text("body"),
    _text("timings"),
    _text("previous"),
    _text("rows"),
    _text("seal"),
    _text("digest"),
)

steps = Table(
    "steps",
    metadata,
    _key("run_id"),
    _number("cycle", key=True),
    _key("node"),
    _key("subject"),
    _text("body"),
    _text("digest"),
)

tape = Table(
    "tape",
    metadata,
    _key("run_id"),
    _number("cycle", key=True),
    _key("node"),
    _key("subject"),
    _number("n", key=True),
    _text("name"),
    _text("request"),
    _text("body"),
    _text("digest"),
)

blobs = Table("blobs", metadata, _key("digest"), _text("body"))

snapshots = Table(
    "snapshots",
    metadata,
    _key("run_id"),
    _key("id"),
    _number("cycle"),
    _text("subject"),
    _text("previous", optional=True),
    _text("blobs"),
    _text("body"),
    _text("digest"),
    Index(None, "run_id", "cycle"),
    Index(None, "id"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _key("run_id"),
    _number("cycle", key=True),
    _key("client_order_id"),
    # 0: the first judgement; 1, 2, ...: judged again after a person's answer.
    _number("n", key=True),
    _text("id"),
    _text("symbol"),
    _text("outcome"),
    _text("proposal"),
    _text("verdict"),
    _text("facts"),
    _text("digest"),
)

equity = Table(
    "equity",
    metadata,
    _key("run_id"),
    _number("cycle", key=True),
    _instant("as_of"),
    _decimal("cash"),
    _decimal("equity"),
    _decimal("realized"),
    _decimal("unrealized"),
    _decimal("fees"),
    # What of the equity was brought in since the start, less what was taken out: no profit.
    _decimal("contributed", optional=True),
    # The most that the run's own worth has been so far: a maximum over text would be none. See `high_water`.
    _decimal("high"),
    _text("digest"),
)

episodes = Table(
    "episodes",
    metadata,
    _key("run_id"),
    _number("cycle", key=True),
    _number("n", key=True),
    _text("body"),
    _text("digest"),
)

accounts = Table(
    "accounts",
    metadata,
    _key("account"),
    _text("currency"),
    _decimal("start_cash"),
    _decimal("cash"),
    _decimal("realized"),
    _decimal("fees"),
    # What was brought in and taken out since it was opened, by other means than the desk's own trades.
    _decimal("contributed", optional=True),
    _text("digest"),
)

orders = Table(
    "orders",
    metadata,
    _key("account"),
    _key("client_order_id"),
    _text("run_id"),
    _number("cycle"),
    _text("symbol"),
    _text("agent"),
    _text("request"),
    _text("proposal"),
    _decimal("stop_price", optional=True),
    _decimal("target_price", optional=True),
    _text("state"),
    _decimal("filled"),
    _decimal("average_price", optional=True),
    _decimal("fee"),
    _text("reason"),
    _instant("submitted_at", optional=True),
    _instant("updated_at"),
    _text("venue_order_id", optional=True),
    _text("digest"),
    Index(None, "account", "state"),
    Index(None, "account", "venue_order_id"),
)

order_events = Table(
    "order_events",
    metadata,
    _key("account"),
    _key("client_order_id"),
    _number("n", key=True),
    _text("run_id"),
    _number("cycle"),
    _text("state"),
    _instant("at"),
    _text("body"),
    _text("digest"),
    Index(None, "run_id", "cycle"),
    Index(None, "account", "n", "at"),
)

tickets = Table(
    "tickets",
    metadata,
    _key("account"),
    _key("id"),
    _text("client_order_id"),
    _text("order_digest"),
    _text("verdict_digest"),
    _instant("issued_at"),
    _instant("expires_at"),
    _instant("used_at", optional=True),
    _text("digest"),
    Index(None, "account", "client_order_id"),
)

fills = Table(
    "fills",
    metadata,
    _key("account"),
    _key("client_order_id"),
    _key("trade_id"),
    # The order of application within the account, which `external_events` share: average cost depends on it, and
    # `at` may tie.
    _number("n"),
    _text("run_id"),
    _number("cycle"),
    _text("symbol"),
    _text("side"),
    _decimal("quantity"),
    _decimal("price"),
    _decimal("fee"),
    _decimal("fee_base", optional=True),
    _text("commission", optional=True),
    _instant("at"),
    # The position after this fill: where it is 0 a trade ends, so that closed trades are found without a full fold.
    _decimal("held"),
    _text("digest"),
    UniqueConstraint("account", "n"),
    Index(None, "account", "symbol", "n"),
    Index(None, "account", "symbol", "at"),
    Index(None, "run_id", "cycle"),
)

external_events = Table(
    "external_events",
    metadata,
    _key("account"),
    _key("id"),
    # One sequence with `fills.n`, so that a fold of both has one order and a missing row leaves a gap.
    _number("n"),
    _text("run_id"),
    _number("cycle"),
    _text("kind"),
    _text("asset"),
    _decimal("quantity"),
    _decimal("cash"),
    _decimal("price", optional=True),
    _instant("at"),
    _text("note"),
    # Of adoptions: the position that took it over, and what it held then.
    _text("symbol", optional=True),
    _decimal("held", optional=True),
    _text("digest"),
    UniqueConstraint("account", "n"),
    Index(None, "account", "symbol", "n"),
    Index(None, "account", "at"),
    Index(None, "run_id", "cycle"),
)

# What the account holds beside the desk's own positions: the sum of its events, kept.
holdings = Table("holdings", metadata, _key("account"), _key("asset"), _decimal("quantity"), _text("digest"))

positions = Table("positions", metadata, _key("account"), _key("symbol"), _text("body"), _text("digest"))

acts = Table(
    "acts",
    metadata,
    _number("n", key=True),
    _instant("at"),
    _text("kind"),
    _text("scope"),
    _text("by"),
    _text("reason"),
    _text("body"),
    _text("previous"),
    _text("digest"),
    Index(None, "scope", "kind", "n"),
)

controls = Table(
    "controls",
    metadata,
    _key("scope"),
    _text("state"),
    _number("flatten"),
    _instant("since"),
    _text("by"),
    _text("reason"),
    _text("digest"),
)

approvals = Table(
    "approvals",
    metadata,
    _key("id"),
    _text("account"),
    _text("run_id"),
    _number("cycle"),
    _text("client_order_id"),
    _text("order_digest"),
    _text("verdict"),
    _text("codes"),
    _instant("requested_at"),
    _instant("expires_at"),
    _text("status"),
    _instant("decided_at", optional=True),
    _text("by"),
    _text("reason"),
    _text("digest"),
    Index(None, "status"),
    Index(None, "account"),
    Index(None, "run_id", "cycle"),
)

latches = Table(
    "latches",
    metadata,
    _key("account"),
    _key("agent"),
    _key("symbol"),
    _text("code"),
    _instant("since"),
    # Re-armed: the entries up to then are forgiven. The row stays, so that they are not counted again.
    _instant("cleared_through", optional=True),
    _text("digest"),
)

# Who may run a run and trade an account now: see `leases`. Nothing is decided on it, and it is under no seal.
leases = Table(
    "leases",
    metadata,
    _key("scope"),
    Column("token", BigInteger, nullable=False),
    _text("holder"),
    _text("host"),
    _text("machine"),
    _number("pid"),
    _text("started"),
    Column("expires_at_ms", BigInteger, nullable=False),
)

OVERSIGHT = (acts, controls, approvals, latches)
"""What people did to the desk. It is under no cycle's seal, for people act outside cycles: see `operators.faults`."""


_LATER: Mapping[Table, frozenset[str]] = {
    accounts: frozenset({"contributed"}),
    orders: frozenset({"venue_order_id"}),
    fills: frozenset({"fee_base", "commission"}),
    equity: frozenset({"contributed"}),
}
"""Columns that came later. Where they hold nothing they are under no digest, so that older rows keep theirs."""


@cache
def digested(table: Table) -> tuple[str, ...]:
    """The columns under a row's digest.

    Whose row it is stays outside, so that equal content has an equal digest in two runs. A run's own
    row and what people did are the exceptions: they say whose they are. `equity.high` follows from the
    rows before it, and is verified so.
    """
    outside = {"digest"} if table is runs or table in OVERSIGHT else {"digest", "run_id", "account"}
    if table is equity:
        outside |= {"high"}
    return tuple(column.name for column in table.columns if column.name not in outside)


def row_digest(table: Table, row: Mapping[str, object]) -> str:
    """The digest that `row` must carry. Values and their stored text give the same."""
    if table is blobs:
        return sha256(str(row["body"]))
    # As it was before orders could be judged again: digests and seals of that time stay what they were.
    absent = {"n"} if table is verdicts and row["n"] == 0 else set()
    absent |= {name for name in _LATER.get(table, ()) if row[name] is None}
    return digest({name: row[name] for name in digested(table) if name not in absent})


def with_digest(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """`row` with its digest. Raises `NotCanonical` for what has no single byte form."""
    return {**row, "digest": row_digest(table, row)}


def key_of(table: Table, row: Mapping[str, object]) -> str:
    """The row's name for people: its key without whose it is, as `cycle=3 node=research`."""
    names = [column.name for column in table.primary_key if column.name not in ("run_id", "account")]
    return " ".join(f"{name}={row[name]}" for name in names or [table.primary_key.columns[0].name])
