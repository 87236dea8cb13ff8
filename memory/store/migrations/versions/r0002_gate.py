"""The durable gate: judgements that can be repeated, agents, high-water marks, and what people do to the desk.

Every row is kept. A digest is made anew only where it fitted before, so that what was changed by hand in the
old database is found in the new one too; seals stay as they are. There is no way back.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import sqlalchemy as sa
from alembic import op

from domain.digest import GENESIS, canonical, digest, plain

revision = "0002"
down_revision = "0001"

_AT_ONCE = 1_000
_WHEN = "1970-01-01T00:00:00Z"
"""Of a state that was set before acts were kept: nobody knows when."""

_ACCOUNT = ("currency", "start_cash", "cash", "realized", "fees")
_STATE = ("trading_state", "state_reason", "state_by")
_ORDER = (
    "client_order_id",
    "cycle",
    "symbol",
    "request",
    "proposal",
    "stop_price",
    "target_price",
    "state",
    "filled",
    "average_price",
    "fee",
    "reason",
    "submitted_at",
    "updated_at",
)


def upgrade() -> None:
    _new_tables()
    with op.batch_alter_table("verdicts") as table:
        table.add_column(sa.Column("n", sa.Integer(), nullable=False, server_default="0"))
        table.drop_constraint("pk_verdicts", type_="primary")
        table.create_primary_key("pk_verdicts", ["run_id", "cycle", "client_order_id", "n"])
    with op.batch_alter_table("verdicts") as table:
        table.alter_column("n", server_default=None, existing_type=sa.Integer(), existing_nullable=False)
    op.create_index("ix_order_events_account_n_at", "order_events", ["account", "n", "at"])
    _orders()
    _accounts()
    _equity()


def _new_tables() -> None:
    op.create_table(
        "acts",
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_acts"),
    )
    op.create_index("ix_acts_scope_kind_n", "acts", ["scope", "kind", "n"])
    op.create_table(
        "controls",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("flatten", sa.Integer(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_controls"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("order_digest", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Text()),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_status", "approvals", ["status"])
    op.create_index("ix_approvals_account", "approvals", ["account"])
    op.create_index("ix_approvals_run_id_cycle", "approvals", ["run_id", "cycle"])
    op.create_table(
        "latches",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("cleared_through", sa.Text()),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "agent", "symbol", name="pk_latches"),
    )


def _orders() -> None:
    """Every order has the agent that proposed it: until now there was one."""
    with op.batch_alter_table("orders") as table:
        table.add_column(sa.Column("agent", sa.Text(), nullable=False, server_default="risk"))
    with op.batch_alter_table("orders") as table:
        table.alter_column("agent", server_default=None, existing_type=sa.Text(), existing_nullable=False)
    rows = _rows("orders", ("account", *_ORDER, "agent", "digest"), order_by="account, client_order_id")
    _update(
        "orders",
        ("account", "client_order_id"),
        [{**row, "digest": digest(_of(row, (*_ORDER, "agent")))} for row in rows if _fits(row, _ORDER)],
        changed="digest",
    )


def _accounts() -> None:
    """The trading state leaves the account's row: it becomes a control, with an act that says who set it."""
    rows = list(_rows("accounts", ("account", *_ACCOUNT, *_STATE, "digest"), order_by="account"))
    fitting = [row for row in rows if _fits(row, (*_ACCOUNT, *_STATE))]
    previous = GENESIS
    for n, row in enumerate(row for row in rows if row["trading_state"] != "active"):
        previous = _halted(n, row, previous=previous)
    with op.batch_alter_table("accounts") as table:
        for name in _STATE:
            table.drop_column(name)
    again = [{**row, "digest": digest(_of(row, _ACCOUNT))} for row in fitting]
    _update("accounts", ("account",), again, changed="digest")


def _halted(n: int, row: Mapping[str, object], *, previous: str) -> str:
    """Keep an account's state as a control and an act, and return the act's digest."""
    # What is neither active nor reducing refused everything, and goes on doing so.
    state = "reducing" if row["trading_state"] == "reducing" else "halted"
    said = {"by": row["state_by"], "reason": row["state_reason"]}
    control = {"scope": row["account"], "state": state, "since": _WHEN, **said}
    body = canonical({"control": {**control, "flatten": False}, "level": None})
    act = {"n": n, "at": _WHEN, "kind": "halt", "scope": row["account"], **said, "body": body, "previous": previous}
    kept = {"controls": {**control, "flatten": 0}, "acts": act}
    for table, values in kept.items():
        names = [*values, "digest"]
        columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in names]
        op.get_bind().execute(sa.insert(sa.table(table, *columns)).values({**values, "digest": digest(values)}))
    return digest(act)


def _equity() -> None:
    """Each cycle has the most that its run's equity had been: from the starting cash on."""
    with op.batch_alter_table("equity") as table:
        table.add_column(sa.Column("high", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("equity") as table:
        table.alter_column("high", server_default=None, existing_type=sa.Text(), existing_nullable=False)
    highs = {row["run_id"]: _start_cash(row["body"]) for row in _rows("runs", ("run_id", "body"), order_by="run_id")}
    marked = []
    for row in _rows("equity", ("run_id", "cycle", "equity"), order_by="run_id, cycle"):
        mark = _decimal(row["equity"])
        known = [value for value in (highs.get(row["run_id"]), mark) if value is not None]
        highs[row["run_id"]] = max(known, default=None)
        marked.append({**row, "high": plain(max(known)) if known else ""})
    _update("equity", ("run_id", "cycle"), marked, changed="high")


def _start_cash(body: object) -> Decimal | None:
    try:
        return _decimal(json.loads(str(body))["start_cash"])
    except (ValueError, KeyError, TypeError):
        return None  # changed by hand, and found so by its digest


def _decimal(text: object) -> Decimal | None:
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _rows(table: str, names: Sequence[str], *, order_by: str) -> Iterator[Mapping[str, object]]:
    columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in names]
    query = sa.select(*columns).select_from(sa.table(table)).order_by(sa.text(order_by))
    yield from (dict(row) for row in op.get_bind().execute(query).mappings())


def _of(row: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: row[name] for name in names}


def _fits(row: Mapping[str, object], names: Sequence[str]) -> bool:
    return row["digest"] == digest(_of(row, names))


def _update(table: str, keys: Sequence[str], rows: Sequence[Mapping[str, object]], *, changed: str) -> None:
    target = sa.table(table, *(sa.column(name) for name in (*keys, changed)))
    statement = sa.update(target).values({changed: sa.bindparam("new")})
    for key in keys:
        statement = statement.where(target.c[key] == sa.bindparam(f"at_{key}"))
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        values = [{"new": row[changed], **{f"at_{key}": row[key] for key in keys}} for row in part]
        op.get_bind().execute(statement, values)
