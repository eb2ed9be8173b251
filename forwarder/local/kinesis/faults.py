"""Scripted faults: which request or record goes wrong, and how. Pure; ``server`` carries out what is decided here.

A script is a JSON or TOML document with a list of faults. Each one names its kind and says when it strikes::

    [[faults]]
    fault = "fail-records"              # 1 in 200 records is answered with an error of its own and is not stored
    error_code = "InternalFailure"
    probability = 0.005
    seed = 7

    [[faults]]
    fault = "lose-response"             # the 3rd and the 4th PutRecords are stored, but the answer never comes
    operation = "PutRecords"
    after = 2
    times = 2

==================  ================================================================================================
``fail-records``    the record is refused with ``error_code`` and not stored; the rest of the request goes on
``delay``           the answer comes ``seconds`` late (the records are stored at once)
``hang``            nothing is stored and nothing is ever answered
``error``           the request is refused with ``error_code`` and, if given, the HTTP ``status``; nothing is stored
``drop``            the connection is dropped before anything is stored
``lose-response``   the records are stored, then the connection is dropped
``commit-late``     the connection is dropped, and the records are stored ``seconds`` later
``refuse``          every connection is reset, this one and new ones, for ``seconds``; nothing is stored
==================  ================================================================================================

When a fault strikes:

1. Its selectors, all optional, must all agree: ``operation``; ``stream``; ``partition_keys`` (the record has one of these keys; for a
   fault of the whole request, one of its records has).
2. Of what they select, the first ``after`` pass. Then each ``every``-th is struck with ``probability`` (drawn from ``seed``), at most
   ``times`` times. ``fail-records`` counts records, all others count requests.
3. Of several faults that would end a request, the first in the script does. Delays add up.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from forwarder.errors import Misconfigured
from forwarder.local.kinesis.operation_names import OperationName

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """When a fault strikes: what all kinds have in common."""

    operation: OperationName | None = None
    stream: str | None = None
    partition_keys: frozenset[str] | None = None
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    every: _Count = 1
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    times: _Count | None = None


class FailRecords(Fault, frozen=True, tag="fail-records"):
    error_code: str = "InternalFailure"


class Delay(Fault, frozen=True, tag="delay"):
    seconds: _Seconds


class Hang(Fault, frozen=True, tag="hang"):
    pass


class Error(Fault, frozen=True, tag="error"):
    error_code: str = "InternalFailure"
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None

    @property
    def http_status(self) -> int:
        return self.status or {"InternalFailure": 500, "ServiceUnavailable": 503}.get(self.error_code, 400)


class Drop(Fault, frozen=True, tag="drop"):
    pass


class LoseResponse(Fault, frozen=True, tag="lose-response"):
    pass


class CommitLate(Fault, frozen=True, tag="commit-late"):
    seconds: _Seconds


class Refuse(Fault, frozen=True, tag="refuse"):
    seconds: _Seconds


Ending = Hang | Error | Drop | LoseResponse | CommitLate | Refuse
AnyFault = FailRecords | Delay | Ending


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A script as it is written in a file or sent to ``PUT /faults``."""

    faults: tuple[AnyFault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What goes wrong with one request: the records that fail, by position; how late the answer is; how the request ends, if not well."""

    failed_records: Mapping[int, FailRecords] = field(default_factory=dict)
    delay_seconds: float = 0.0
    ending: Ending | None = None


NOTHING = Decision()


class Script:
    """The faults in force, and how often each one has struck."""

    def __init__(self, faults: Iterable[AnyFault] = ()) -> None:
        self.replace(faults)

    def replace(self, faults: Iterable[AnyFault]) -> None:
        """Put these faults in force, with their counts at zero, and no others."""
        self._armed = [_Armed(fault) for fault in faults]

    def struck(self, fault: AnyFault) -> int:
        """How often ``fault`` has struck since it was put in force."""
        return sum(armed.struck for armed in self._armed if armed.fault is fault)

    def decide(self, operation: str, *, stream: str | None, partition_keys: Sequence[str]) -> Decision:
        """Decide what goes wrong with one request, and count the request.

        Args:
            partition_keys: the keys of its records, in their order; empty for an operation without records.
        """
        if not self._armed:
            return NOTHING
        chosen = [armed for armed in self._armed if armed.selects(operation, stream=stream)]
        return Decision(
            failed_records=_failed_records(chosen, partition_keys),
            delay_seconds=sum(
                armed.fault.seconds
                for armed in chosen
                if isinstance(armed.fault, Delay) and armed.strikes_request(partition_keys)
            ),
            ending=_ending(chosen, partition_keys),
        )


def load(path: Path) -> tuple[AnyFault, ...]:
    """Read a script from a ``.toml`` or ``.json`` file.

    Raises:
        Misconfigured: the file cannot be read, or is not a script.
    """
    decode = msgspec.toml.decode if path.suffix == ".toml" else msgspec.json.decode
    try:
        return decode(path.read_bytes(), type=Document).faults
    except OSError as error:
        raise Misconfigured(f"cannot read the faults in {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{path} is not a list of faults: {error}; see docs/local-kinesis.md") from error


class _Armed:
    """One fault and its counts."""

    __slots__ = ("_random", "_seen", "fault", "struck")

    def __init__(self, fault: AnyFault) -> None:
        self.fault = fault
        self.struck = 0
        self._seen = 0
        self._random = random.Random(fault.seed)

    def selects(self, operation: str, *, stream: str | None) -> bool:
        fault = self.fault
        return fault.operation in (None, operation) and fault.stream in (None, stream)

    def strikes_request(self, partition_keys: Sequence[str]) -> bool:
        wanted = self.fault.partition_keys
        return (wanted is None or not wanted.isdisjoint(partition_keys)) and self._strikes()

    def strikes_record(self, partition_key: str) -> bool:
        wanted = self.fault.partition_keys
        return (wanted is None or partition_key in wanted) and self._strikes()

    def _strikes(self) -> bool:
        fault = self.fault
        self._seen += 1
        turn = self._seen - fault.after
        if turn <= 0 or turn % fault.every or self.struck == fault.times:
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        self.struck += 1
        return True


def _failed_records(chosen: Sequence[_Armed], partition_keys: Sequence[str]) -> dict[int, FailRecords]:
    return {
        position: armed.fault
        for armed in chosen
        if isinstance(armed.fault, FailRecords)
        for position, partition_key in enumerate(partition_keys)
        if armed.strikes_record(partition_key)
    }


def _ending(chosen: Sequence[_Armed], partition_keys: Sequence[str]) -> Ending | None:
    for armed in chosen:
        if isinstance(armed.fault, Ending) and armed.strikes_request(partition_keys):
            return armed.fault
    return None
