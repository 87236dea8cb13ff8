"""The exchange double without its sockets: a request goes in, a reply comes out, and a fault may lie between."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import localcontext
from typing import Protocol, assert_never, get_args

from domain.clock import Clock
from exchange_double import faults
from exchange_double.bent import bent
from exchange_double.engine import EXACT, Engine
from exchange_double.faults import Ending, F, Fault, FaultScript
from exchange_double.journal import Entry, Journal, Outcome
from exchange_double.listing import LISTINGS, Listing
from exchange_double.orders import Fill
from exchange_double.sockets import Sockets
from exchange_double.wire import READS_ORDERS, Answer, Effects, Operation, Request, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server does with a request: an answer, silence or a reset, after `delay_s`."""

    outcome: Outcome
    answer: Answer | None = None
    delay_s: float = 0


class _VenueClock:
    """The injected clock, how far a test has moved on from it, and how far off the venue is at the moment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.advanced = timedelta(0)
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self.advanced + self.skew


@dataclass(slots=True)
class _Hidden:
    looks: int
    until: datetime


class Bystander(Protocol):
    """Sees every request, before and after it is carried out: where a test ends the process that sent it."""

    def arrived(self, request: Request) -> bool:
        """`False` loses the request on its way: nothing is carried out, and the connection is reset."""
        ...

    def answered(self, request: Request) -> None:
        """It was carried out, and the answer is about to go back."""
        ...


class ExchangeDouble:
    """One exchange with one account, that a test drives through `engine` and troubles through `faults`."""

    def __init__(self, wire: Wire, clock: Clock, *, listings: Sequence[Listing] = LISTINGS) -> None:
        self.wire = wire
        self._clock = _VenueClock(clock)
        self.engine = Engine(self._clock, listings=listings)
        self.faults = FaultScript()
        self.journal = Journal()
        self.sockets = Sockets(wire, self.engine, self.faults, self._clock)
        self._hidden: dict[str, _Hidden] = {}
        self.bystander: Bystander | None = None

    @property
    def now(self) -> datetime:
        """The exchange's time."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """Move the exchange's time on, and let happen what is due by then."""
        with self.engine.lock:
            self._clock.advanced += timedelta(seconds=seconds)
            self.engine.tick()

    def placed_twice(self) -> tuple[str, ...]:
        """Client order ids under which the engine accepted more than one order, or more than one stop.

        What a stop became is still that stop.
        """
        orders = (order.new.client_order_id for order in self.engine.orders if not order.stop_id)
        ids = Counter(filter(None, (*orders, *(stop.client_order_id for stop in self.engine.stops))))
        return tuple(client_order_id for client_order_id, count in ids.items() if count > 1)

    def respond(self, request: Request) -> Reply:
        """Take one request through its faults, the wire and the engine, and write it into the journal."""
        if self.bystander is None:
            return self._through(request)
        if not self.bystander.arrived(request):
            return Reply(outcome="reset")
        reply = self._through(request)
        self.bystander.answered(request)
        return reply

    def _through(self, request: Request) -> Reply:
        with self.engine.lock, localcontext(EXACT):
            operation = self.wire.operation(request)
            met = _Met(self.faults, operation)
            skew = met.take(faults.ClockSkew)
            self._clock.skew = timedelta(seconds=skew.seconds if skew else 0)
            try:
                self.engine.tick()
                return self._respond(request, met)
            finally:
                self._clock.skew = timedelta(0)

    def _respond(self, request: Request, met: _Met) -> Reply:
        slow, ending = met.take(faults.Slow), met.take_ending()
        before = len(self.engine.accepted)
        carried_out = met.operation is not None and (ending is None or ending.accepted)
        if met.operation is None:
            answer = self.wire.not_spoken(request)
        elif carried_out:
            answer = self._carry_out(request, met, met.operation)
        else:
            answer = Answer()
        reply = _reply(ending, answer, self.wire, delay_s=slow.seconds if slow else 0)
        self.journal.append(
            Entry(
                number=len(self.journal),
                at=self._clock.now(),
                request=request,
                operation=met.operation,
                faults=tuple(type(fault).__name__ for fault in met.faults),
                carried_out=carried_out,
                outcome=reply.outcome,
                status=reply.answer.status if reply.answer else None,
                orders=tuple(self.engine.accepted[before:]),
            )
        )
        return reply

    def _carry_out(self, request: Request, met: _Met, operation: Operation) -> Answer:
        before = len(self.engine.accepted)
        hides = met.take(faults.OrderHidden)
        effects = self._effects(met, operation)
        answer = self.wire.answer(request, self.engine, effects, now=self._clock.now())
        accepted, stops = self.engine.accepted[before:], self.engine.stops
        ours = {*(o.new.client_order_id for o in self.engine.orders), *(stop.client_order_id for stop in stops)}
        for kind in get_args(faults.Contradicting):
            if fault := met.take(kind):
                answer = bent(answer, fault, accepted=accepted, ours=ours)
        if hides:
            until = self._clock.now() + timedelta(seconds=hides.seconds)
            for accepted_id in self.engine.accepted[before:]:
                self._hidden[accepted_id] = _Hidden(hides.looks, until)
        return answer

    def _effects(self, met: _Met, operation: Operation) -> Effects:
        """What the faults of this request do to it. One that would change nothing yet is not spent."""
        filled = len(self.engine.fills)
        self.engine.refuses_exits |= met.take(faults.ExitRefused) is not None
        partial = met.take(faults.PartialThenCancel)
        lag = met.take(faults.BalanceLag) if filled else None
        twice = met.take(faults.DuplicateFill) if filled else None
        late = met.take(faults.FillsLate) if filled else None
        shuffled = met.take(faults.FillsOutOfOrder) if filled > 1 else None

        def bent(fills: Sequence[Fill]) -> Sequence[Fill]:
            seen = list(fills[1:] if late else fills)
            if twice:
                seen = seen[:1] + seen
            if shuffled:
                random.Random(shuffled.seed).shuffle(seen)
            return seen

        return Effects(
            hidden=self._looked() if operation in READS_ORDERS else frozenset(),
            funds=self.engine.funds_before_last_fill() if lag else None,
            fills=bent,
            ids_unique_when_open=met.take(faults.IdReused) is not None,
            stop_after=partial.part if partial else None,
            fill_before_cancel=met.take(faults.FilledBeforeCancel) is not None,
            maintenance=self.faults.scripted(faults.Maintenance),
        )

    def _looked(self) -> frozenset[str]:
        """The orders and stops that this query doesn't find, each with one look less to go."""
        now = self._clock.now()
        self._hidden = {key: item for key, item in self._hidden.items() if item.looks > 0 or item.until > now}
        for item in self._hidden.values():
            item.looks -= 1
        return frozenset(self._hidden)


class _Met:
    """The faults that one request meets."""

    def __init__(self, script: FaultScript, operation: Operation | None) -> None:
        self._script = script
        self.operation = operation
        self.faults: list[Fault] = []

    def take(self, kind: type[F]) -> F | None:
        fault = self._script.take(kind, self.operation) if self.operation else None
        if fault is not None:
            self.faults.append(fault)
        return fault

    def take_ending(self) -> Ending | None:
        fault = self._script.take_ending(self.operation) if self.operation else None
        if fault is not None:
            self.faults.append(fault)
        return fault


def _reply(ending: Ending | None, answer: Answer, wire: Wire, *, delay_s: float) -> Reply:
    """What the client gets in place of the answer."""
    match ending:
        case faults.Timeout():
            return Reply(outcome="silent")
        case faults.Reset():
            return Reply(outcome="reset", delay_s=delay_s)
        case faults.RateLimited():
            answer = wire.rate_limited()
        case faults.Maintenance():
            answer = wire.maintenance()
        case faults.ServerError(status=status):
            answer = wire.server_error(status)
        case faults.Malformed():
            whole = answer.body or '{"code": "0", "data": []}'
            answer = replace(answer, body=whole[: len(whole) * 2 // 3])
        case None:
            pass
        case _:
            assert_never(ending)
    return Reply(outcome="answered", answer=answer, delay_s=delay_s)
