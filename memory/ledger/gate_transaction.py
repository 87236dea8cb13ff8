"""The gate's transaction: what stands is read, judged upon and written while the account's row is held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.decision import Outcome, Proposal, Ticket
from domain.digest import canonical, sha256
from domain.errors import LedgerBroken, TicketRefused
from domain.order import OrderRequest, OrderState
from domain.value import Digest, Value
from memory.ledger.books import Books, read_orders, working_states
from memory.ledger.orders import OrderRecord, order_from, order_row
from memory.operators.approvals import Approval, ask
from memory.operators.controls import Control, LatchRecord, control_of, latch, latches_of
from memory.store.database import Database
from memory.store.fault import as_written
from memory.store.rows import insert_absent, insert_new
from memory.store.schema import blobs, cycles, order_events, orders, tickets, verdicts, with_digest
from policy.account import Latch, Rearmed, SentOrder, WorkingOrder


class Admission(Value):
    """One proposal with the gate's word on it, and the ticket that an allow earned."""

    proposal: Proposal
    verdict_body: str
    """The whole verdict as canonical JSON."""
    verdict_digest: Digest
    outcome: Outcome
    facts_body: str
    """What it was judged on, as canonical JSON; kept once by its digest."""
    ticket: Ticket | None = None
    n: int = 0
    """0 for the first judgement; 1, 2, ... when it was judged again after a person's answer."""

    def require_fit(self) -> None:
        """Raises `TicketRefused` for a ticket that is not this proposal's, or without an allow."""
        ticket = self.ticket
        if ticket is None:
            return
        order = self.proposal.order()
        if self.outcome != "allow":
            raise TicketRefused(f"{order.client_order_id} has a ticket, and the verdict is {self.outcome}")
        own = {
            "client_order_id": order.client_order_id,
            "order_digest": order.digest,
            "verdict_digest": self.verdict_digest,
        }
        unlike = [
            f"{name} is {value}, and the ticket's is {getattr(ticket, name)}"
            for name, value in own.items()
            if getattr(ticket, name) != value
        ]
        if unlike:
            raise TicketRefused(f"the ticket does not fit {order.client_order_id} and its verdict: {'; '.join(unlike)}")

    def approved(self, *, run_id: str, cycle: int, at: datetime) -> OrderRecord:
        """The order as it begins."""
        return OrderRecord(
            request=self.proposal.order(),
            proposal=self.proposal.digest,
            run_id=run_id,
            cycle=cycle,
            agent=self.proposal.agent,
            state=OrderState.APPROVED,
            updated_at=at,
            stop_price=self.proposal.stop_price,
            target_price=self.proposal.target_price,
        )

    def begins(self, *, at: datetime) -> dict[str, object]:
        """The first event of the order, but for whose it is."""
        state = OrderState.APPROVED
        return {
            "client_order_id": self.proposal.client_order_id,
            "n": 0,
            "state": state.value,
            "at": at,
            "body": canonical({"verdict": self.verdict_digest, "state": state}),
        }

    def verdict_row(self, *, run_id: str, cycle: int) -> dict[str, object]:
        return {
            "run_id": run_id,
            "cycle": cycle,
            "client_order_id": self.proposal.client_order_id,
            "n": self.n,
            "id": self.verdict_digest,
            "symbol": self.proposal.symbol,
            "outcome": self.outcome,
            "proposal": canonical(self.proposal),
            "verdict": self.verdict_body,
            "facts": sha256(self.facts_body),
        }


def ticket_row(ticket: Ticket, *, account: str) -> dict[str, object]:
    """The ticket without its seal, which is nobody's to read."""
    return {"account": account, **ticket.model_dump(exclude={"seal"}), "used_at": None}


EXPIRED = "its ticket expired"

_LOOK_BACK = 1_000
_ENTRY = '"reduce_only":false'
"""In canonical JSON it stands for the field alone: within a text, its quotes would be escaped."""

_CACHE_SIZE = 2_000
"""Orders that are remembered from one gate to the next: most are read again as they were."""


def _of_one_order(first: Table, second: Table) -> ColumnElement[bool]:
    return and_(first.c.account == second.c.account, first.c.client_order_id == second.c.client_order_id)


# Built once: building a statement costs more than running it. Few of them: on a server each is a journey.
_LET_THROUGH = (
    select(order_events.c.account, order_events.c.client_order_id, order_events.c.at, orders.c.request, orders.c.agent)
    .outerjoin(orders, _of_one_order(orders, order_events))
    .where(
        order_events.c.account == bindparam("account"),
        order_events.c.n == 0,
        order_events.c.state == OrderState.APPROVED.value,  # what a venue attached was let through with its entry
        order_events.c.at >= bindparam("since", type_=order_events.c.body.type),
    )
)
_WORKING = (
    select(orders, tickets.c.expires_at)
    .outerjoin(tickets, _of_one_order(tickets, orders))
    .where(orders.c.account == bindparam("account"), orders.c.state.in_(working_states()))
)
_JUDGED = (
    select(
        verdicts.c.cycle,
        verdicts.c.client_order_id,
        verdicts.c.outcome,
        verdicts.c.proposal.contains(_ENTRY, autoescape=True).label("entry"),
    )
    .where(verdicts.c.run_id == bindparam("run_id"), verdicts.c.cycle >= bindparam("first"))
    .order_by(verdicts.c.cycle.desc(), verdicts.c.client_order_id.desc(), verdicts.c.n.desc())
    .limit(_LOOK_BACK)
)
_BEFORE = select(func.max(cycles.c.cycle)).where(
    cycles.c.run_id == bindparam("run_id"), cycles.c.as_of < bindparam("moment", type_=cycles.c.body.type)
)


class Standing(Value):
    """How an account stands at the moment of judging, whoever writes to it."""

    working: tuple[OrderRecord, ...]
    """Orders that may still trade, with leave to send counted from when it was given."""
    control: Control
    sent: tuple[SentOrder, ...]
    """Orders let through lately, whatever became of them; the oldest first."""
    latches: tuple[Latch, ...]
    rearmed: tuple[Rearmed, ...] = ()
    refusals_in_a_row: int
    """Entries that this run was denied since a cycle let one through, or since the day began.

    No more than 1,000 verdicts are looked at.
    """


class Admissions:
    """What may be done while the account's row is held. Made by `Ledger.gate` alone.

    Nobody else's admission or claim comes in between, so what was judged on what stood still holds when it
    is written. Nothing slow belongs in here: every other writer of the account waits.
    """

    def __init__(self, connection: AsyncConnection, database: Database, *, books: Books, at: datetime) -> None:
        self._connection = connection
        self._database = database
        self._books = books
        self._at = at
        self._account: str = books.account["account"]
        self._orders: dict[str, OrderRecord] = {}
        """Read once: while the account is held nobody else changes them."""

    async def begin(self) -> None:
        """Read the working orders, and end the reservations that ran out.

        Approved orders whose tickets nobody can use any more are withdrawn.
        """
        rows = (await self._connection.execute(_WORKING, {"account": self._account})).all()
        self._orders = {order.client_order_id: order for order in map(_order, rows)}
        traded = [order.client_order_id for order in self._orders.values() if order.filled]
        if traded:
            self._orders |= await read_orders(self._connection, self._account, ids=traded)
        expired = {row.client_order_id for row in rows if row.expires_at is not None and row.expires_at <= self._at}
        for client_order_id in sorted(expired):
            order = self._orders[client_order_id]
            if order.state is OrderState.APPROVED:
                ended = {"state": OrderState.CANCELLED, "reason": EXPIRED, "updated_at": self._at}
                order = self._orders[client_order_id] = order.model_copy(update=ended)
                self._books.change(order, at=self._at, evidence={"reason": EXPIRED})
        await self._books.write(self._connection)

    async def standing(self, *, sent_since: datetime, day_start: datetime | None = None) -> Standing:
        """What stands now. To be read as an effect: other processes and people change it.

        Refusals are counted from `day_start` on, and without it from the beginning.
        """
        stopped = await latches_of(self._connection, self._account)
        working = [order for order in self._orders.values() if order.state.working]
        return Standing(
            working=tuple(sorted(working, key=lambda order: (order.cycle, order.client_order_id))),
            control=await control_of(self._connection, self._account),
            sent=await self._sent(sent_since),
            latches=tuple(Latch(agent=e.agent, symbol=e.symbol) for e in stopped if e.cleared_through is None),
            rearmed=tuple(
                Rearmed(agent=e.agent, symbol=e.symbol, through=e.cleared_through) for e in stopped if e.cleared_through
            ),
            refusals_in_a_row=await self._refusals_in_a_row(day_start),
        )

    async def keep(self, admissions: Sequence[Admission]) -> None:
        """Keep every verdict, and an approved order with its ticket for each allow.

        What this cycle admitted before is left as it is. Raises `TicketRefused` for a ticket that does
        not fit its proposal and verdict, and `Refused` for a proposal that was judged otherwise before.
        """
        run_id, cycle = self._books.run_id, self._books.cycle
        for admission in admissions:
            admission.require_fit()
            self._database.note(blobs, {"digest": sha256(admission.facts_body), "body": admission.facts_body})
        judged = [admission.verdict_row(run_id=run_id, cycle=cycle) for admission in admissions]
        await insert_new(self._connection, verdicts, [with_digest(verdicts, row) for row in judged])
        await self._approve([admission for admission in admissions if admission.ticket is not None])

    async def _approve(self, admissions: Sequence[Admission]) -> None:
        """Write those orders that are not there yet, each with the event that it begins with and its ticket."""
        name, run_id, cycle = self._account, self._books.run_id, self._books.cycle
        records = [admission.approved(run_id=run_id, cycle=cycle, at=self._at) for admission in admissions]
        rows = [with_digest(orders, order_row(name, order)) for order in records]
        absent = {row["client_order_id"] for row in await insert_absent(self._connection, orders, rows)}
        new = [pair for pair in zip(admissions, records, strict=True) if pair[1].client_order_id in absent]
        self._orders |= {order.client_order_id: order for _, order in new}
        place = {"account": name, "run_id": run_id, "cycle": cycle}
        happened = [{**admission.begins(at=self._at), **place} for admission, _ in new]
        issued = [ticket_row(admission.ticket, account=name) for admission, _ in new if admission.ticket is not None]
        await insert_new(self._connection, order_events, [with_digest(order_events, row) for row in happened])
        await insert_new(self._connection, tickets, [with_digest(tickets, row) for row in issued])

    async def ask(self, questions: Sequence[Approval]) -> None:
        """Put questions to a person; one that was put before stays as it is, answered or not."""
        await ask(self._connection, questions)

    async def latch(self, *, agent: str, symbol: str, code: str) -> None:
        """Stop `agent` in `symbol` until a person re-arms it, for the finding `code`. Again, it changes nothing."""
        record = LatchRecord(account=self._account, agent=agent, symbol=symbol, code=code, since=self._at)
        await latch(self._connection, record)

    async def _sent(self, since: datetime) -> tuple[SentOrder, ...]:
        # Fractions of a second do not sort as text: the database gives whole seconds, and the rest is left out here.
        result = await self._connection.execute(_LET_THROUGH, {"account": self._account, "since": _whole(since)})
        sent = []
        for row in result.mappings():
            if row["request"] is None:
                raise LedgerBroken(f"{row['client_order_id']} was let through, and its order is gone")
            if row["at"] >= since:
                with as_written(orders, row):
                    sent.append(_sent_order(row["request"], row["agent"], at=row["at"]))
        return tuple(sorted(sent, key=lambda order: (order.at, order.client_order_id)))

    async def _refusals_in_a_row(self, since: datetime | None) -> int:
        run_id, last = self._books.run_id, None
        if since is not None:
            last = await self._connection.scalar(_BEFORE, {"run_id": run_id, "moment": _whole(since)})
        first = 0 if last is None else last + 1
        judged: set[str] = set()
        allowed_in: int | None = None
        denied: dict[int, int] = {}
        for cycle, client_order_id, outcome, entry in await self._connection.execute(
            _JUDGED, {"run_id": run_id, "first": first}
        ):
            if allowed_in is not None and cycle < allowed_in:
                break
            if not entry or client_order_id in judged:
                continue  # judged again, the last word counts
            judged.add(client_order_id)
            if outcome == "allow":
                allowed_in = cycle
            denied[cycle] = denied.get(cycle, 0) + (outcome == "deny")
        return sum(count for cycle, count in denied.items() if cycle != allowed_in)


def _whole(moment: datetime) -> str:
    return moment.replace(microsecond=0, tzinfo=None).isoformat()


@lru_cache(maxsize=_CACHE_SIZE)
def _order(row: Row[Any]) -> OrderRecord:
    """The order, as if nothing of it had been filled: its fills are in another table."""
    return order_from(row._mapping, ())


@lru_cache(maxsize=_CACHE_SIZE)
def working_order(order: OrderRecord) -> WorkingOrder:
    """What of `order` may still trade, as the gate looks at it."""
    return WorkingOrder.of(order.request, state=order.state, filled=order.filled, stop_price=order.stop_price)


@lru_cache(maxsize=_CACHE_SIZE)
def _sent_order(body: str, agent: str, *, at: datetime) -> SentOrder:
    request = OrderRequest.model_validate_json(body)
    return SentOrder(
        client_order_id=request.client_order_id,
        agent=agent,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        quantity=request.quantity,
        limit_price=request.limit_price,
        reduce_only=request.reduce_only,
        at=at,
        trigger_price=request.trigger_price,
    )
