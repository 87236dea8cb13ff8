"""Orders as the ledger keeps them, and what a venue's word does to one. Pure, but for the shape of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, localcontext

from pydantic import Field
from sqlalchemy import RowMapping

from domain.digest import canonical, plain
from domain.money import EXACT, ZERO
from domain.order import CONTRADICTION, Commission, Fill, OrderReport, OrderRequest, OrderState, contradiction
from domain.portfolio import Position
from domain.text import visible
from domain.value import Amount, Digest, Instant, NonNegative, Positive, Value, absent
from memory.store.fault import as_written
from memory.store.schema import fills, orders

_AVERAGE = Context(prec=16)
_NEVER_THERE = frozenset({OrderState.REJECTED, OrderState.EXPIRED})
_REASON_LIMIT = 500


class OrderRecord(Value):
    """One order, from the gate's leave to its end, with every fill that was booked."""

    request: OrderRequest
    proposal: Digest
    run_id: str
    cycle: int
    """The cycle that decided it."""
    agent: str
    """Who proposed it."""
    state: OrderState
    filled: NonNegative = ZERO
    average_price: Positive | None = None
    fee: Amount = ZERO
    """All that its fills cost in quote currency, what they paid in base at their own prices."""
    reason: str = ""
    submitted_at: Instant | None = None
    """When it was about to be sent; `None` proves that it never was."""
    updated_at: Instant
    stop_price: Positive | None = None
    target_price: Positive | None = None
    fills: tuple[Fill, ...] = ()
    venue_order_id: str = Field(default="", exclude_if=absent)
    """The venue's own id of the order, once it has told."""

    @property
    def client_order_id(self) -> str:
        return self.request.client_order_id

    @property
    def unnamed(self) -> OrderRecord:
        """Without the run that it is of: runs that decide the same record the same."""
        return self.model_copy(update={"run_id": ""})

    @property
    def remaining(self) -> Decimal:
        """What may still trade; 0 once the order has ended."""
        return ZERO if self.state.terminal else self.request.quantity - self.filled

    @property
    def report(self) -> OrderReport:
        """What is known of the order, in a venue's words: for a paper venue that starts again."""
        return OrderReport(
            client_order_id=self.client_order_id,
            symbol=self.request.symbol,
            state=self.state,
            filled=self.filled,
            average_price=self.average_price,
            fills=self.fills,
            reason=self.reason,
            at=self.updated_at,
            venue_order_id=self.venue_order_id,
        )


def attached(entry: OrderRecord, exit: OrderRecord | None) -> OrderRecord | None:
    """The stop that the venue attached to `entry`, by what that has filled; `None` where that changes nothing.

    It is there from the entry's first fill on and grows with each, until it has ended: what the entry fills after that
    needs a stop of its own. The venue has not confirmed it yet. What a fill paid in base is not there to be sold.
    """
    if entry.request.stop_price is None or (exit is not None and exit.state.terminal):
        return None
    with localcontext(EXACT):
        bought = sum((fill.quantity - fill.fee_base for fill in entry.fills), ZERO)
    if bought <= (exit.request.quantity if exit is not None else ZERO):
        return None
    if exit is not None:
        grown = exit.request.model_copy(update={"quantity": bought})
        return exit.model_copy(update={"request": grown, "updated_at": entry.updated_at})
    return OrderRecord(
        request=entry.request.exit_order(bought),
        proposal=entry.proposal,
        run_id=entry.run_id,
        cycle=entry.cycle,
        agent=entry.agent,
        state=OrderState.SUBMITTING,
        submitted_at=entry.submitted_at,
        updated_at=entry.updated_at,
    )


def order_after(order: OrderRecord, report: OrderReport) -> OrderRecord:
    """The order after one more report; the very same object when that says nothing new.

    A fill counts once, by its trade id, and also when it comes after the end. A report that can't be true of the
    order, or of what is booked of it, proves nothing: the order is UNKNOWN then, with the reason, whatever it was.

    Who spoke can't be told here, so what an end rests on is kept with the event, as `evidence`, and judged only as
    far as it can be proven. No end says more or less than its trades: filled is what they add up to, nothing that
    traded was refused, and an end that counts more than they show is none yet. And of an order that the venue has
    named, an end that does not name it is none: "no such order" is then known to be wrong, or to be said of a
    moment before. Whoever can prove the end of such an order names it.
    """
    if report.evidence == CONTRADICTION:
        return _in_doubt(order, report, report.reason)
    if why := contradiction_in(order, report):
        return _in_doubt(order, report, why)
    with localcontext(EXACT):
        return _after(_sized(order, report), report, venue_order_id=_name(order, report))


def sized(order: OrderRecord, event: Mapping[str, str]) -> OrderRecord:
    """The order as large as the body of an event says that it was; as it is where that says nothing of it."""
    if "quantity" not in event:
        return order
    quantity = Decimal(event["quantity"])
    return order.model_copy(update={"request": order.request.model_copy(update={"quantity": quantity})})


def _sized(order: OrderRecord, report: OrderReport) -> OrderRecord:
    """The order, and one that the venue attached to an entry as large as the venue made it."""
    size = report.quantity
    if order.request.attached_to is None or not size or size == order.request.quantity or order.state.terminal:
        return order
    return order.model_copy(update={"request": order.request.model_copy(update={"quantity": size})})


def contradiction_in(order: OrderRecord, report: OrderReport) -> str:
    """What of `report` can't be true of the order or of what is booked of it; empty where all of it may be."""
    if why := contradiction(report, order.request):
        return why
    if report.venue_order_id not in ("", name := _name(order, report)):
        return f"the venue has two orders of its own for it: {name} and now {report.venue_order_id}"
    booked = {fill.trade_id: fill for fill in order.fills}
    if changed := [fill.trade_id for fill in report.fills if booked.get(fill.trade_id, fill) != fill]:
        return f"the venue changed its fill {changed[0]}"
    with localcontext(EXACT):
        filled = sum((fill.quantity for fill in (*order.fills, *_new_fills(order, report))), ZERO)
    most = _sized(order, report).request.quantity
    if filled > most:
        return f"it has fills of {plain(filled)}, and {plain(most)} was ordered"
    return ""


def _name(order: OrderRecord, report: OrderReport) -> str:
    """The venue's own id. A stop becomes an order with an id of its own once its price has come."""
    if order.request.type == "stop":
        return report.venue_order_id or order.venue_order_id
    return order.venue_order_id or report.venue_order_id


def _in_doubt(order: OrderRecord, report: OrderReport, why: str) -> OrderRecord:
    """UNKNOWN, until the venue says what can be true.

    Its name is forgotten where nothing was traded under it: it may be what is wrong, and it is found without.
    """
    reason = visible(why, limit=_REASON_LIMIT)
    venue_order_id = order.venue_order_id if order.fills else ""
    if (order.state, order.reason, order.venue_order_id) == (OrderState.UNKNOWN, reason, venue_order_id):
        return order
    doubt = {"state": OrderState.UNKNOWN, "reason": reason, "updated_at": report.at, "venue_order_id": venue_order_id}
    return order.model_copy(update=doubt)


def _after(order: OrderRecord, report: OrderReport, *, venue_order_id: str) -> OrderRecord:
    fills = (*order.fills, *_new_fills(order, report))
    filled = sum((fill.quantity for fill in fills), ZERO)
    state, reason = _next_state(order, report, filled=filled)
    if (state, len(fills), venue_order_id) == (order.state, len(order.fills), order.venue_order_id):
        return order
    return order.model_copy(
        update={
            "state": state,
            "reason": visible(reason, limit=_REASON_LIMIT),
            **money_of(fills),
            "fills": fills,
            "updated_at": report.at,
            "venue_order_id": venue_order_id,
        }
    )


def money_of(fills: Sequence[Fill]) -> dict[str, Decimal | None]:
    """What an order's fills come to: `filled`, `average_price` and `fee`."""
    with localcontext(EXACT):
        filled = sum((fill.quantity for fill in fills), ZERO)
        notional = sum((fill.notional for fill in fills), ZERO)
        fee = sum((fill.fees for fill in fills), ZERO)
    return {"filled": filled, "average_price": _AVERAGE.divide(notional, filled) if filled else None, "fee": fee}


def _new_fills(order: OrderRecord, report: OrderReport) -> list[Fill]:
    """Those that are not booked, each once."""
    booked = {fill.trade_id for fill in order.fills}
    return list({fill.trade_id: fill for fill in report.fills if fill.trade_id not in booked}.values())


def _next_state(order: OrderRecord, report: OrderReport, *, filled: Decimal) -> tuple[OrderState, str]:
    unchanged = order.state, order.reason
    if filled == order.request.quantity:
        doubted = order.state is report.state is OrderState.UNKNOWN  # of something else than its fills
        return unchanged if doubted or order.state is OrderState.FILLED else (OrderState.FILLED, report.reason)
    if report.filled > filled and (report.state.terminal or order.state.terminal):
        # Taken as ended, nobody would ask for the missing trades again and the position would be wrong.
        return OrderState.UNKNOWN, f"the venue says {report.filled} filled, its trades show {filled}"
    if order.state.terminal and not _turned_up(order, report):
        return unchanged
    if report.state is OrderState.UNKNOWN:
        return report.state, report.reason
    if report.filled < order.filled:
        return unchanged  # said before what we know, or not the whole of it
    if report.state is OrderState.FILLED or (report.state is OrderState.REJECTED and filled):
        return OrderState.UNKNOWN, f"the venue says {report.state}, its trades show {filled}"
    if report.state.terminal and order.venue_order_id and not report.venue_order_id:
        return OrderState.UNKNOWN, f"{report.state} without the name {order.venue_order_id} that the venue gave it"
    if report.state is OrderState.WORKING and filled:
        return OrderState.PARTIAL, report.reason
    return report.state, report.reason


def _turned_up(order: OrderRecord, report: OrderReport) -> bool:
    """Whether the venue has an order after all that was taken as refused or never arrived.

    Only of such as it never named or traded: a late word on one that ended at the venue changes nothing.
    """
    unseen = order.state in _NEVER_THERE and not order.filled and not order.venue_order_id
    return unseen and bool(report.fills or report.venue_order_id)


def position_after(position: Position, fill: Fill, order: OrderRecord) -> Position:
    """The position with one more fill. Where that opens one, the order's stop and target become its own."""
    after = position.after(fill)
    if after.quantity and position.quantity * after.quantity <= 0:
        return after.model_copy(update={"stop_price": order.stop_price, "target_price": order.target_price})
    return after


_ORDER_COLUMNS = set(OrderRecord.model_fields) - {"request", "fills", "venue_order_id"}
_FILL_COLUMNS = set(Fill.model_fields) - {"fee_base", "commission"}


def order_row(account: str, order: OrderRecord) -> dict[str, object]:
    return {
        "account": account,
        "client_order_id": order.client_order_id,
        "run_id": order.run_id,
        "cycle": order.cycle,
        "symbol": order.request.symbol,
        "agent": order.agent,
        "request": canonical(order.request),
        "proposal": order.proposal,
        "stop_price": order.stop_price,
        "target_price": order.target_price,
        "state": order.state.value,
        "filled": order.filled,
        "average_price": order.average_price,
        "fee": order.fee,
        "reason": order.reason,
        "submitted_at": order.submitted_at,
        "updated_at": order.updated_at,
        "venue_order_id": order.venue_order_id or None,
    }


def order_from(row: RowMapping, fills: tuple[Fill, ...]) -> OrderRecord:
    with as_written(orders, row):
        request = OrderRequest.model_validate_json(row["request"])
        rest = {name: row[name] for name in _ORDER_COLUMNS}
        return OrderRecord(request=request, fills=fills, venue_order_id=row["venue_order_id"] or "", **rest)


def fill_row(fill: Fill) -> dict[str, object]:
    """What the venue said of a trade. What it did not speak of is empty, as in the rows of before."""
    return {
        **{name: getattr(fill, name) for name in _FILL_COLUMNS},
        "fee_base": fill.fee_base or None,
        "commission": None if fill.commission is None else canonical(fill.commission),
    }


def fill_from(row: RowMapping) -> Fill:
    with as_written(fills, row):
        coin = row["commission"]
        return Fill(
            **{name: row[name] for name in _FILL_COLUMNS},
            fee_base=row["fee_base"] or ZERO,
            commission=None if coin is None else Commission.model_validate_json(coin),
        )
