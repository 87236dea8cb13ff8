"""Orders on their way to a venue and back: sent once, looked up as often as it takes, taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from domain.clearance import Check, Cleared
from domain.clock import Clock
from domain.errors import NotFound, OrderContradicted, OrderStateUnknown, Refused, VenueUnavailable
from domain.order import OrderReport, OrderRequest, OrderState, contradiction, is_exit_id
from domain.text import visible
from domain.venue import Outcome
from venues.exchange.account import rows
from venues.exchange.account.dialects.dialect import Name, Placed, Quirks
from venues.exchange.account.drafts import Draft, draft, objection
from venues.exchange.account.listed import Listed
from venues.exchange.account.lookup import Lookup, Target
from venues.exchange.account.sent import Sent, SentOrders
from venues.exchange.account.session import Session
from venues.exchange.client import Row
from venues.exchange.failures import Declined, NotSent
from venues.exchange.guarded_client import current

_MARGIN = timedelta(minutes=1)
_FAR_BACK = timedelta(days=7)
"""How far lists are read back for an order of which nobody knows when it was sent."""

_LONGEST_SEND = timedelta(minutes=1)
"""From when an order is about to be sent until it is answered or given up: turns, time-out and all."""


class Orders:
    """The orders of one account."""

    def __init__(
        self,
        session: Session,
        quirks: Quirks,
        *,
        lookup: Lookup,
        sent: SentOrders,
        currency: str,
        check: Check,
        wall: Clock,
        patience_s: float,
    ) -> None:
        self._session = session
        self._quirks = quirks
        self._lookup = lookup
        self._sent = sent
        self._currency = currency
        self._check = check
        self._wall = wall
        self._patience = timedelta(seconds=patience_s + quirks.validity_s)
        self._started_at = wall.now()

    async def submit(self, cleared: Cleared, listed: Listed) -> OrderReport:
        """See `ExchangeVenue.submit`."""
        order, ticket = cleared
        sent = self._sent.take(order, ticket, now=self._wall.now())
        if sent is None:
            return await self._again(order, listed)
        if why := objection(order, listed, self._quirks, currency=self._currency):
            return self._refuse(sent, f"not sent: {why}", evidence="our own check")
        new_order = draft(order, listed, self._quirks)
        with self._sending([sent]):
            answer: Row | Declined
            try:
                answer = await self._session.send(
                    f"the order {order.client_order_id}",
                    lambda ccxt: _create(ccxt, new_order),
                    still=lambda: self._check(ticket, order, self._wall.now()),
                )
            except Declined as declined:
                answer = declined
        if isinstance(answer, Declined):
            return await self._declined(sent, answer, listed)
        return await self._accepted(sent, str(answer["id"]), listed)

    async def submit_all(self, orders: Sequence[tuple[Cleared, Listed]]) -> Sequence[Outcome]:
        """See `ExchangeVenue.submit_all`."""
        outcomes: dict[int, Outcome] = {}
        batch: list[tuple[int, Sent, Listed]] = []
        for n, (cleared, listed) in enumerate(orders):
            order, ticket = cleared
            alone = self._alone(order) or self._sent.get(order.client_order_id) is not None
            if alone or objection(order, listed, self._quirks, currency=self._currency):
                outcomes[n] = await _outcome(self.submit(cleared, listed))
                continue
            try:
                sent = self._sent.take(order, ticket, now=self._wall.now())
            except Refused as refused:
                outcomes[n] = refused
                continue
            if sent is not None:
                batch.append((n, sent, listed))
        for swaps in (False, True):
            alike = [each for each in batch if each[2].swap is swaps]
            most = self._quirks.batch(alike[0][2].symbol) if alike else 1
            for start in range(0, len(alike), most):
                outcomes.update(await self._submit_batch(alike[start : start + most]))
        return [outcomes[n] for n in range(len(orders))]

    def _alone(self, order: OrderRequest) -> bool:
        return order.type == "stop" or self._quirks.batch(order.symbol) == 1

    async def _submit_batch(self, batch: Sequence[tuple[int, Sent, Listed]]) -> Mapping[int, Outcome]:
        """One request for all of them, and then each for itself.

        Their tickets are looked at once more when their turn has come, as that of an order alone is. One that no longer
        holds keeps all of them back.
        """
        new_orders = [draft(sent.order, listed, self._quirks) for _, sent, listed in batch]

        def read(answer: object) -> Mapping[str, Placed]:
            return self._quirks.placed(answer, [sent.order.client_order_id for _, sent, _ in batch])

        def still() -> None:
            for _, sent, _ in batch:
                self._check(sent.ticket, sent.order, self._wall.now())

        try:
            with self._sending([sent for _, sent, _ in batch]):
                placed = await self._session.send(
                    f"a batch of {len(batch)} orders",
                    lambda ccxt: _create_all(ccxt, new_orders, read),
                    still=still,
                    cost=len(batch),
                )
        except Declined as declined:
            return {n: await _outcome(self._declined(sent, declined, listed)) for n, sent, listed in batch}
        except (NotSent, OrderStateUnknown) as error:
            return {n: error for n, _, _ in batch}
        return {n: await _outcome(self._settled(sent, placed, listed)) for n, sent, listed in batch}

    async def _settled(self, sent: Sent, placed: Mapping[str, Placed], listed: Listed) -> OrderReport:
        """What the answer to a batch proves of one of its orders."""
        name = sent.order.client_order_id
        row = placed.get(name)
        if row is not None and row.code == "0" and row.venue_order_id:
            return await self._accepted(sent, row.venue_order_id, listed)
        kind = None if row is None else self._quirks.codes.kind(row.code, row.message)
        if row is None or kind is None or kind == "silent":
            raise OrderStateUnknown(f"{self._session.exchange} did not confirm the order {name}")
        message = f"{self._session.exchange} declined the order {name}: {visible(row.message, limit=200)}"
        return await self._declined(sent, Declined(message, kind=kind, code=row.code), listed)

    @contextmanager
    def _sending(self, orders: Sequence[Sent]) -> Generator[None]:
        """Orders are as good as new when they did not go out, and else may have been under way until now."""
        try:
            yield
        except NotSent:
            for sent in orders:
                self._sent.give_back(sent)
            raise
        finally:
            for sent in orders:
                sent.until = self._wall.now()

    async def find(self, client_order_id: str, listed: Listed, *, sent_at: datetime | None) -> OrderReport | None:
        """See `ExchangeVenue.find`."""
        sent = self._sent.get(client_order_id)
        if sent is not None and sent.order.symbol != listed.symbol:
            return None
        if sent is not None and sent.refused is not None:
            return sent.refused
        try:
            report = await self._lookup.find(self._target(client_order_id, sent, sent_at), listed)
            return report and self._noted(report, sent)
        except OrderContradicted:
            if sent is not None:
                sent.venue_order_id = ""  # it may be what is wrong: from here on the order is asked for by our own
            raise

    async def client_order_id_of(self, venue_order_id: str, listed: Listed) -> str | None:
        """See `ExchangeVenue.client_order_id_of`."""
        name = Name(client_order_id="", venue_order_id=venue_order_id)
        row = await self._quirks.find(self._session, listed.symbol, name)
        if row is None:
            return None
        order = rows.venue_order(row, listed)
        if order.venue_order_id != venue_order_id:
            raise VenueUnavailable(
                f"{self._session.exchange} was asked for the order {venue_order_id} and showed {order.venue_order_id}"
            )
        return order.client_order_id

    async def cancel(self, client_order_id: str, listed: Listed) -> OrderReport:
        """See `ExchangeVenue.cancel`."""
        sent = self._sent.get(client_order_id)
        if sent is not None and sent.refused is not None:
            return sent.refused
        apart = self._quirks.stops_apart(listed.symbol)
        kind = self._is_stop(client_order_id, sent)
        for stop in (False, True) if apart and kind is None else (apart and kind is True,):
            name = Name(client_order_id=client_order_id, venue_order_id=sent.venue_order_id if sent else "", stop=stop)
            if await self._cancel(listed.symbol, name):
                break
        try:
            report = await self.find(client_order_id, listed, sent_at=None)
        except VenueUnavailable as error:
            raise OrderStateUnknown(
                f"the cancel of {client_order_id} was answered, and not what became of the order: {error.message}"
            ) from None
        if report is None:
            raise NotFound(f"{self._session.exchange} knows no order {client_order_id} in {listed.symbol}")
        return report

    async def _cancel(self, symbol: str, name: Name) -> bool:
        """Whether the venue took the cancel; `False` where it says that there is nothing to cancel.

        A cancel may be sent again, and is where the clocks had to be compared first: a second one changes nothing.
        """
        for last in (False, True):
            try:
                await self._quirks.cancel(self._session, symbol, name)
            except NotSent as error:
                raise VenueUnavailable(error.message) from None
            except Declined as declined:
                if declined.kind == "clock" and not last:
                    continue
                return False
            return True
        return False

    async def _again(self, order: OrderRequest, listed: Listed) -> OrderReport:
        report = await self.find(order.client_order_id, listed, sent_at=None)
        if report is None:
            raise OrderStateUnknown(
                f"{order.client_order_id} was sent before, and {self._session.exchange} has no such order"
            )
        return report

    async def _declined(self, sent: Sent, declined: Declined, listed: Listed) -> OrderReport:
        """A refusal. That the id is taken is none: it proves that an order of that id is there."""
        if declined.kind != "duplicate":
            return self._refuse(sent, declined.message, evidence=f"refused {declined.code}")
        sent.there = True
        return await self._again(sent.order, listed)

    def _refuse(self, sent: Sent, reason: str, *, evidence: str) -> OrderReport:
        sent.refused = rejected(sent.order, reason, evidence=evidence, at=self._wall.now())
        return sent.refused

    async def _accepted(self, sent: Sent, venue_order_id: str, listed: Listed) -> OrderReport:
        """What has become of an order that was taken; where that can't be read, that it was taken."""
        sent.venue_order_id = venue_order_id
        order = sent.order
        stop = order.type == "stop" and self._quirks.stops_apart(order.symbol)
        name = Name(client_order_id=order.client_order_id, venue_order_id=venue_order_id, stop=stop)
        try:
            row = await self._quirks.find(self._session, order.symbol, name)
            if row is not None:
                venue_order = self._lookup.theirs(rows.venue_order(row, listed), name)
                report = await self._lookup.report(venue_order, order.client_order_id, listed, evidence="by id")
                return self._noted(report, sent)
        except VenueUnavailable:
            pass
        except OrderContradicted:
            sent.venue_order_id = ""
            raise
        return self._noted(
            OrderReport(
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                state=OrderState.WORKING,
                at=self._session.theirs(self._wall.now()),
                venue_order_id=venue_order_id,
                evidence="accepted",
            ),
            sent,
        )

    def _noted(self, report: OrderReport, sent: Sent | None) -> OrderReport:
        """The report, where it can be true of what was sent. Raises `OrderContradicted`."""
        if sent is not None:
            why = contradiction(report, sent.order)
            named = sent.venue_order_id
            if not why and sent.order.type != "stop" and named not in ("", report.venue_order_id):
                why = f"the venue took it as {named}, and shows it as {report.venue_order_id}"
            if why:
                raise OrderContradicted(f"{self._session.exchange} contradicts {report.client_order_id}: {why}")
        if report.venue_order_id:
            self._sent.name(report.venue_order_id, report.client_order_id)
        return report

    def _target(self, client_order_id: str, sent: Sent | None, sent_at: datetime | None) -> Target:
        """What is known of an order. One that may have been sent up to now is not missed until later."""
        if sent is None:
            began, until = sent_at, self._sent_until(sent_at)
        else:
            began, until = None if sent.there else sent.at, sent.until
        theirs = None if began is None else self._session.theirs(began)
        return Target(
            client_order_id=client_order_id,
            venue_order_id=sent.venue_order_id if sent else "",
            stop=self._is_stop(client_order_id, sent),
            sent_at=theirs,
            since=self._session.clock() - _FAR_BACK if theirs is None else theirs - _MARGIN,
            settled=self._wall.now() >= until + self._patience and not (sent and sent.there),
        )

    def _is_stop(self, client_order_id: str, sent: Sent | None) -> bool | None:
        """Whether an order is a stop; `None` where it may be one or not."""
        if sent is not None:
            return sent.order.type == "stop"
        return True if is_exit_id(client_order_id) else None

    def _sent_until(self, sent_at: datetime | None) -> datetime:
        """Until when an order of another process may have been sent: until that gave up, or until we began."""
        if sent_at is None:
            return self._started_at
        given_up = sent_at + _LONGEST_SEND
        return given_up if sent_at > self._started_at else min(given_up, self._started_at)


def rejected(order: OrderRequest, reason: str, *, evidence: str, at: datetime) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        state=OrderState.REJECTED,
        reason=reason,
        at=at,
        evidence=evidence,
    )


async def _outcome(outcome: Awaitable[OrderReport]) -> Outcome:
    """What came of one order of several, as a value: the others go on."""
    try:
        return await outcome
    except (Refused, OrderStateUnknown) as error:
        return error
    except VenueUnavailable as error:  # it was sent, and could not be asked about
        return OrderStateUnknown(error.message)


async def _create_all(
    ccxt: Any, new_orders: Sequence[Draft], read: Callable[[object], Mapping[str, Placed]]
) -> Mapping[str, Placed]:
    """Each order's own row. ccxt raises when all were refused, with the rows in the answer all the same."""
    from ccxt import BaseError

    try:
        await ccxt.create_orders([one.as_row() for one in new_orders])
    except BaseError:
        if placed := read(current().answer):
            return placed
        raise
    return read(current().answer)


async def _create(ccxt: Any, new_order: Draft) -> Row:
    row: Row = await ccxt.create_order(
        new_order.symbol, new_order.type, new_order.side, new_order.amount, new_order.price, new_order.params
    )
    if not row.get("id"):
        raise ValueError("the answer to an order has no id")
    return row
