"""How large a request may be where somebody on the way has a limit that is not declared, and which record is too large by itself. Pure.

HTTP 413 says that a gateway, or the front of the stream itself, has refused a request, and that nothing of it is stored. Either the request
is too large, or the gateway is unwell and refuses everything. What else is refused and what passes tells one from the other:

1. **A request that can be divided** is sent again in smaller ones, of half its size: that is the limit now. From five seconds after the last
   refusal on, each request near the limit that passes doubles it. If one passes that is as large as one that was refused, size was not
   the matter, and the limit doubles without that wait.
2. **A request of one record** is on trial: it is sent again and again. The record is too large when all of this holds: it has stayed
   refused for ``TRIAL_SECONDS``; other requests pass; and none has passed meanwhile that is as large as anything that was refused. The
   clock of a trial runs only between two refusals in a row: a failure of another kind in between, such as a lost connection,
   says nothing about size.
3. **Once a record has been found too large**, each that is as large is too large at once, without a trial of its own. That holds
   until no such record has come for a minute.
4. **It is an outage**, and proves nothing of any record, if nothing passes, not even a request without records, or if what is refused
   is small.

Sizes that are compared with each other are those of bodies, as the gateway sees them. The limit counts data and partition keys, as
Kinesis and ``forwarder.delivery.schedules.lanes`` do. Times are seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

# No gateway has a limit below this: a body of this size that is refused is refused for another reason.
LEAST_BYTES = 1 << 10
# For this long after a refusal no larger request is tried.
PROBE_SECONDS = 5.0
# How long a record stays refused before it is found too large.
TRIAL_SECONDS = 30.0
# Other requests pass if one did within LATELY_SECONDS, and everything since was refused for no longer than OUTAGE_SECONDS.
LATELY_SECONDS = 10.0
OUTAGE_SECONDS = 1.0
# The trial of a record begins anew if the record was not refused for this long: it was not sent meanwhile.
TRIAL_GAP_SECONDS = 60.0
# The clock of a trial grants each try this long, on top of the wait before it; a try that takes longer counts for no more.
TRY_SECONDS = 10.0
# For this long after a record was found too large, each that is as large is too large at once.
PROOF_SECONDS = 60.0
# How many records are on trial at once. That is enough: what is proved of one holds for all that are as large.
MAX_TRIALS = 1000
# Before a record on trial is sent again it waits as long as it has been on trial: RETRY_FIRST_SECONDS at least, and at most RETRY_SECONDS,
# plus RETRY_SECONDS_EACH for each record on trial. Most likely a large record is sent in vain.
RETRY_FIRST_SECONDS = 0.05
RETRY_SECONDS = 2.0
RETRY_SECONDS_EACH = 0.02


class Verdict(Enum):
    """What a record is whose request held nothing else and was refused for its size."""

    TOO_LARGE = auto()
    # Refused, and not for long enough to tell.
    ON_TRIAL = auto()
    # Nothing passes, so nothing can be told of the record.
    OUTAGE = auto()


@dataclass(slots=True)
class _Trial:
    """The trial of one record."""

    # When the record was refused last.
    refused_at: float
    # How long it has stayed refused.
    seconds: float = 0.0
    # Whether it has failed for another reason since it was refused last.
    is_interrupted: bool = False


class RequestLimit:
    """The limit of the requests to one stream, and which of its records are on trial."""

    __slots__ = (
        "_least_refused",
        "_max_bytes",
        "_passed_at",
        "_probe_at",
        "_proved_at",
        "_refused_since",
        "_too_large_from",
        "_trials",
        "bytes",
    )

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # The most that one request may carry now.
        self.bytes = max_bytes
        # From when on the limit may be doubled.
        self._probe_at = -inf
        # Size of the smallest body that was refused; inf again when one that is as large has passed.
        self._least_refused = inf
        self._passed_at = -inf
        # When a request was refused first since the last one that has passed.
        self._refused_since = inf
        # By the seq of the record.
        self._trials: dict[int, _Trial] = {}
        # Size of the smallest body that was found too large, and when a record was found so last.
        self._too_large_from = inf
        self._proved_at = -inf

    @property
    def is_untried(self) -> bool:
        """Whether no limit is known of, so that ``passed`` need not be called."""
        return self.bytes >= self._max_bytes and self._least_refused == inf

    def retry_seconds(self, seq: int) -> float:
        """How long a record on trial waits before it is sent again."""
        most = RETRY_SECONDS + RETRY_SECONDS_EACH * len(self._trials)
        trial = self._trials.get(seq)
        return min(most, max(RETRY_FIRST_SECONDS, trial.seconds)) if trial else most

    def passed(self, size: int, *, body_bytes: int, now: float) -> None:
        """A request got as far as the stream, whatever became of its records there."""
        self._passed_at, self._refused_since = now, inf
        if body_bytes >= self._least_refused:
            self._least_refused = inf
            self._trials.clear()
            self._probe_at = now
        if body_bytes >= self._too_large_from:
            self._too_large_from = inf
        if now >= self._probe_at and size * 2 > self.bytes:
            self.bytes = min(self._max_bytes, max(self.bytes, size) * 2)

    def failed(self, seqs: Iterable[int]) -> None:
        """A request with these records failed for another reason than its size, or had no answer."""
        if not self._trials:
            return
        for seq in seqs:
            if trial := self._trials.get(seq):
                trial.is_interrupted = True

    def refused(self, size: int, *, body_bytes: int, now: float) -> bool:
        """A request that can be divided was refused; whether it is large enough to be worth dividing."""
        self._note_refusal(body_bytes, now)
        self._probe_at = now + PROBE_SECONDS
        self.bytes = max(LEAST_BYTES, min(self.bytes, size // 2))
        return size > LEAST_BYTES

    def judge(self, seq: int, *, body_bytes: int, now: float) -> Verdict:
        """A request of one record was refused; what that says of the record."""
        self._note_refusal(body_bytes, now)
        if (
            body_bytes <= LEAST_BYTES
            or now - self._passed_at > LATELY_SECONDS
            or now - self._refused_since > OUTAGE_SECONDS
        ):
            return Verdict.OUTAGE
        if not (self._is_known(body_bytes, now) or self._seconds_on_trial(seq, now) >= TRIAL_SECONDS):
            return Verdict.ON_TRIAL
        self._trials.pop(seq, None)
        self._too_large_from, self._proved_at = min(self._too_large_from, body_bytes), now
        return Verdict.TOO_LARGE

    def _note_refusal(self, body_bytes: int, now: float) -> None:
        self._least_refused = min(self._least_refused, body_bytes)
        self._refused_since = min(self._refused_since, now)

    def _is_known(self, body_bytes: int, now: float) -> bool:
        if now - self._proved_at > PROOF_SECONDS:
            self._too_large_from = inf
        return body_bytes >= self._too_large_from

    def _seconds_on_trial(self, seq: int, now: float) -> float:
        trial = self._trials.get(seq)
        if trial is None or now - trial.refused_at > TRIAL_GAP_SECONDS:
            trial = _Trial(now)
        elif not trial.is_interrupted:
            trial.seconds += min(now - trial.refused_at, self.retry_seconds(seq) + TRY_SECONDS)
        trial.refused_at, trial.is_interrupted = now, False
        if len(self._trials) >= MAX_TRIALS:
            lately = now - TRIAL_GAP_SECONDS
            self._trials = {key: other for key, other in self._trials.items() if other.refused_at >= lately}
        if seq in self._trials or len(self._trials) < MAX_TRIALS:
            self._trials[seq] = trial
        return trial.seconds
