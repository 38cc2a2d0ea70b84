"""The whole error tree.

Every exception that crosses a layer is one of these; foreign exceptions are
translated where they enter (drivers, plugins, database, commands).

    AbacaError
    ├── ConfigError                      the service does not start; one line per fault
    ├── RequestError                     the caller can mend it (4xx)
    │   ├── BadRequest 400
    │   ├── Unauthorized 401
    │   ├── Forbidden 403
    │   ├── NotFound 404
    │   ├── NotAcceptable 406            microversion out of range
    │   ├── Conflict 409
    │   ├── OverLimit 413                a quota
    │   ├── Unprocessable 422            what the share type does not offer
    │   └── TooManyRequests 429
    ├── ServiceUnavailable 503           retriable
    │   └── DatabaseUnavailable          includes deadlocks and lost connections
    │       ├── CommitUnknown            the connection was lost in the commit
    │       └── TransactionRefused       another one was in its way
    ├── DatabaseFault                    a statement or a database that is not as it should be
    │   ├── WrongSchema 503              has to be upgraded; retriable
    │   └── RowRefused                   by a constraint: another made the same row first, mostly
    ├── NetworkError                     what a network plugin may raise, and nothing else
    │   ├── InvalidNetwork
    │   ├── NetworkNotFound
    │   ├── AllocationConflict
    │   ├── AllocationLost
    │   ├── AddressesExhausted           try another pool
    │   └── NetworkUnavailable           the only one to retry
    ├── DriverError                      what a driver may raise, and nothing else
    │   ├── BackendUnavailable           retriable
    │   ├── StorageFull                  try another pool
    │   ├── ShrinkRefused
    │   └── AccessRuleUnsupported
    ├── LinuxError                       what `abaca.linux` raises; a driver translates it
    │   └── CommandFailed
    └── WorkInterrupted                  inside the task queue only
        ├── LeaseLost
        └── Superseded

``status`` is the HTTP status, ``retriable`` says whether the same work may
succeed later without anybody mending anything, ``elsewhere`` whether another
pool may take it, and ``told`` what a tenant may be told (``str(error)`` is for
administrators and logs).
"""

from __future__ import annotations

from typing import ClassVar


class AbacaError(Exception):
    """Any failure that Abaca names."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "computeFault"
    retriable: ClassVar[bool] = False
    elsewhere: ClassVar[bool] = False
    generic: ClassVar[str] = "An internal error occurred; an administrator can find it in the log."

    def __init__(self, message: str, *, told: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.told = told if told is not None else self.generic


class ConfigError(AbacaError):
    """A configuration that must not be started; ``faults`` has one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class RequestError(AbacaError):
    """Something that the caller of the API can mend; the message is meant for them."""

    status = 400
    kind = "badRequest"

    def __init__(self, message: str) -> None:
        super().__init__(message, told=message)


class BadRequest(RequestError):
    """A request that can't be right: says which value, and what to give instead."""


class Unauthorized(RequestError):
    """No valid credential came with the request."""

    status = 401
    kind = "unauthorized"


class Forbidden(RequestError):
    """The caller's roles don't allow this."""

    status = 403
    kind = "forbidden"


class NotFound(RequestError):
    """No such thing that the caller may see."""

    status = 404
    kind = "itemNotFound"


class NotAcceptable(RequestError):
    """A microversion that this service does not speak."""

    status = 406
    kind = "notAcceptable"


class Conflict(RequestError):
    """Right in form, but not in the present state of things."""

    status = 409
    kind = "conflictingRequest"


class OverLimit(RequestError):
    """A quota would be exceeded."""

    status = 413
    kind = "overLimit"


class Unprocessable(RequestError):
    """Right in form, but of a thing that can't do it at all, now or later."""

    status = 422
    kind = "unprocessableEntity"


class TooManyRequests(RequestError):
    """Slow down; ``retry_after`` is in seconds."""

    status = 429
    kind = "overLimit"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceUnavailable(AbacaError):
    """Something that Abaca needs does not answer now."""

    status = 503
    kind = "serviceUnavailable"
    retriable = True
    generic = "The service is temporarily unavailable; try again."


class DatabaseUnavailable(ServiceUnavailable):
    """The database refused or dropped the transaction; the same one may succeed later."""


class CommitUnknown(DatabaseUnavailable):
    """The transaction was committed, or was not: doing it again might do it twice."""

    generic = "The database did not say whether the request was done: look before asking again."


class TransactionRefused(DatabaseUnavailable):
    """Another transaction was in its way: a deadlock, or not certified by a Galera cluster.

    Nothing of it was done, and it is likely to succeed in a moment.
    """


class DatabaseFault(AbacaError):
    """The database can't do what was asked: nobody foresaw it, and somebody must mend it."""


class WrongSchema(DatabaseFault):
    """The database has not a table or column that this version reads or writes.

    Work waits until somebody upgrades it. ``lacks``: the database's own words.
    """

    status = 503
    kind = "serviceUnavailable"
    retriable = True
    generic = ServiceUnavailable.generic

    def __init__(self, lacks: str) -> None:
        super().__init__(
            f"the database's schema is not the one that this version needs ({lacks}): run `abaca "
            "db upgrade`, or, where `abaca db version` says that the database is newer than the "
            "version, stop this process and start the newer one"
        )
        self.lacks = lacks


class RowRefused(DatabaseFault):
    """A constraint refused the transaction; done again, it sees who was faster, if somebody was."""


class NetworkError(AbacaError):
    """What a network plugin may raise."""

    generic = "The network of the share server could not be set up."


class InvalidNetwork(NetworkError):
    """The configuration or the share network names something this plugin can't use."""


class NetworkNotFound(NetworkError):
    """The named network or subnet does not exist (any more)."""

    generic = "The network or subnet named by the share network does not exist."


class AllocationConflict(NetworkError):
    """A wanted address belongs to somebody else or is reserved."""


class AllocationLost(NetworkError):
    """An allocation no longer exists outside and will not come back by itself."""


class AddressesExhausted(NetworkError):
    """No free address is left in the pool."""

    elsewhere = True
    generic = "No free network address is left for a share server."


class NetworkUnavailable(NetworkError):
    """The network service does not answer, or has not converged yet."""

    status = 503
    kind = "serviceUnavailable"
    retriable = True


class DriverError(AbacaError):
    """What a driver may raise."""

    generic = "The storage backend could not do this."


class BackendUnavailable(DriverError):
    """The storage does not answer now."""

    status = 503
    kind = "serviceUnavailable"
    retriable = True


class StorageFull(DriverError):
    """The pool has not the room that the scheduler thought it had."""

    elsewhere = True
    generic = "The storage pool is full."


class ShrinkRefused(DriverError):
    """The share holds more than the size wanted."""

    generic = "The share holds more data than the size asked for; delete data first."


class AccessRuleUnsupported(DriverError):
    """The backend can't express this access rule."""

    generic = "The storage backend does not support this access rule."


class LinuxError(AbacaError):
    """A primitive of `abaca.linux` failed; says on what and why."""


class CommandFailed(LinuxError):
    """A program exited with an error; carries the arguments, the exit code and its last output."""

    def __init__(self, argv: tuple[str, ...], code: int, output: str) -> None:
        super().__init__(f"{' '.join(argv)}: exit {code}: {output.strip()[-2000:]}")
        self.argv = argv
        self.code = code
        self.output = output


class WorkInterrupted(AbacaError):
    """The task may not go on; never seen outside the task queue."""


class LeaseLost(WorkInterrupted):
    """Another worker may have taken this task: nothing more may be written."""


class Superseded(WorkInterrupted):
    """What is wanted has changed (a delete came in): start over from the row."""
