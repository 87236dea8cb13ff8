"""The one error tree. Every leaf has an exit code and says what to do.

AgentctlError                     1
├── UsageError                    2   wrong option, setting or file; nothing was written
│   ├── MarketDataError           2   a candle file that cannot be trusted, with file and line
│   ├── PolicyFileError           2   an unreadable or unknown policy
│   ├── DatabaseVersionError      2   a database of a newer version
│   ├── BudgetTooSmall            2   a token budget that can't hold what a prompt must hold
│   │   └── MandatoryOverflow     2   ... because of lanes and items that must be sent
│   └── NotCanonical              2   a value without one byte form
├── Refused                       3   a check or a verification said no
│   ├── TicketRefused             3   no order without a ticket that fits it
│   ├── NotExact                  3   a value that is not of exact types, all the way down
│   ├── ReplayDiverged            3   the archive and the replay differ
│   └── LedgerBroken              3   cash or positions are not the sum of the fills
├── NotFound                      4   no such run, snapshot, graph or symbol
│   └── SymbolUnknown             4
└── ServiceUnavailable            5   a venue, provider or database did not answer
    ├── VenueUnavailable          5
    │   └── VenueRefused          5   it answered with why not, and would again: never asked twice
    │       ├── KeysRefused       2   ... for its keys are wrong or may not, or not from this address
    │       └── NotTold           5   ... to these keys
    ├── ModelUnavailable          5
    ├── DatabaseUnavailable       5   the archive can't be read or written now; nothing was half written
    ├── LeaseLost                 5   the right to run or to trade ran out or is somebody else's; nothing was sent
    └── OrderStateUnknown         5   sent, and no proof of what became of it; never retried
        └── OrderContradicted     5   ... for what the venue says can't be true of it
"""

from __future__ import annotations

from typing import ClassVar


class AgentctlError(Exception):
    """An error with a stable exit code, one clear line, and a remedy."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class UsageError(AgentctlError):
    exit_code = 2


class MarketDataError(UsageError):
    """One or more rows of a candle file cannot be trusted."""


class PolicyFileError(UsageError):
    """A policy that cannot be read, or says something unknown."""


class DatabaseVersionError(UsageError):
    """The database was written by a newer version."""


class BudgetTooSmall(UsageError):
    """A token budget that can't hold what a prompt must hold."""


class MandatoryOverflow(BudgetTooSmall):
    """Mandatory lanes, pinned items or p0 constraints don't fit whole."""


class NotCanonical(UsageError):
    """A value that has no single byte form."""


class Refused(AgentctlError):
    exit_code = 3


class TicketRefused(Refused):
    """A ticket that is missing, forged, used, expired or bound to another order."""


class NotExact(Refused):
    """A value that can't be copied from parts of exact types, and so can't be trusted to be what it says."""


class ReplayDiverged(Refused):
    """A replay asked for an effect that the tape does not hold."""


class LedgerBroken(Refused):
    """Cash, positions or fills do not add up."""


class NotFound(AgentctlError):
    exit_code = 4


class SymbolUnknown(NotFound):
    """A symbol outside the universe."""


class ServiceUnavailable(AgentctlError):
    exit_code = 5


class VenueUnavailable(ServiceUnavailable):
    """The venue gave no usable answer in time."""


class VenueRefused(VenueUnavailable):
    """The venue answered that it won't: a bad request, an unknown parameter, a closed market. It would say so again."""


class KeysRefused(VenueRefused):
    """The venue does not take these keys for this, or not from this address."""

    exit_code = 2


class NotTold(VenueRefused):
    """The venue does not tell this account such a thing. Asked again it says the same."""


class ModelUnavailable(ServiceUnavailable):
    """The model gave no usable answer in time."""


class DatabaseUnavailable(ServiceUnavailable):
    """The database can't be reached, or ended the connection. What was not committed is not there."""


class LeaseLost(ServiceUnavailable):
    """A lease that was not renewed in time, or that somebody else has taken since. See `memory.store.leases`."""


class OrderStateUnknown(ServiceUnavailable):
    """An order was sent and nothing proves what became of it. Ask the venue; never send again."""


class OrderContradicted(OrderStateUnknown):
    """What the venue says of an order can't be true of the one that was sent."""


def worth_asking_again(error: BaseException) -> bool:
    """Whether the same question may be answered a moment later: after a time-out, a rate limit, a server's failure.

    What a venue has refused it refuses again.
    """
    return isinstance(error, ServiceUnavailable | TimeoutError) and not isinstance(error, VenueRefused)
