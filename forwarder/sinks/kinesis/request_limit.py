"""How large requests may be where somebody on the way has a limit that he does not tell, and which record is too large by itself. Pure.

HTTP 413 means that a gateway, or the stream's own, has not let a request pass, and that nothing of it is stored. It may mean the size, or
that the gateway is unwell and refuses everything. What tells them apart is what passes beside it, so both are told here:

* What can be divided is sent again in smaller requests. Half the size of what was refused is the limit then. It doubles, after a pause,
  with each request at the limit that passes, until one is refused again; and without that pause as soon as a request passes that is no
  smaller than one that was refused, for then size was not the matter.
* A record that is refused alone is too large if others pass, if it stays refused for ``TRIAL_SECONDS``, and if meanwhile nothing passes
  that is as large as anything that was refused. Then what is as large is too large as well, and needs no trial of its own, for
  a minute after the last that was refused.
* Of a trial only the time between two refusals counts that follow one another. What fails in between for another reason, since no server
  is there, say, tells nothing of its size.
* If nothing passes, not even a request without records, or if what is refused is small, nothing is proved: it is an outage.

Sizes that are compared with each other are those of bodies, as the gateway sees them. The limit counts data and partition keys, as
Kinesis and ``forwarder.delivery.schedules.lanes`` do. Times are seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

# A request of this size is refused by no limit that a gateway could mean.
LEAST_BYTES = 1 << 10
# So long after a refusal no larger request is tried.
PROBE_SECONDS = 5.0
# So long a record stays refused before it is called too large.
TRIAL_SECONDS = 30.0
# Others pass, if one did so lately, and if it is not so long that everything after it is refused.
LATELY_SECONDS = 10.0
OUTAGE_SECONDS = 1.0
# A record that was not refused for so long has its trial from the beginning: it was not tried.
TRIAL_GAP_SECONDS = 60.0
# So long a try may take beyond the wait before it; of what takes longer no more counts.
TRY_SECONDS = 10.0
# So long it is known which size is too large, after the last that was.
PROOF_SECONDS = 60.0
# So many records are on trial at once. What is proved of one holds for all that are as large.
MAX_TRIALS = 1000
# A record on trial waits as long as it has been on trial before it is sent again, but no longer than this, and as much longer for each
# other one: a try most likely carries a large record in vain.
RETRY_FIRST_SECONDS = 0.05
RETRY_SECONDS = 2.0
RETRY_SECONDS_EACH = 0.02


class Verdict(Enum):
    """What a record is whose request held nothing else and was refused for its size."""

    TOO_LARGE = auto()
    # Most likely too large.
    ON_TRIAL = auto()
    # Nothing passes, so nobody can tell.
    OUTAGE = auto()


@dataclass(slots=True)
class _Trial:
    """Of one record: how long it has stayed refused, when it was refused last, and whether it has failed otherwise since."""

    refused_at: float
    seconds: float = 0.0
    is_interrupted: bool = False


class RequestLimit:
    """The limit, and what was refused and passed lately."""

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
        self._probe_at = -inf
        # Size of the smallest body that was refused, as far as nothing has passed since that is as large.
        self._least_refused = inf
        self._passed_at = -inf
        # Since when nothing has passed, and something was refused.
        self._refused_since = inf
        # By seq.
        self._trials: dict[int, _Trial] = {}
        # The size of the smallest body that is known to be too large, and since when nothing has confirmed it.
        self._too_large_from = inf
        self._proved_at = -inf

    @property
    def is_untried(self) -> bool:
        """Whether nothing is known of any limit, and what passes need not be told."""
        return self.bytes >= self._max_bytes and self._least_refused == inf

    def retry_seconds(self, seq: int) -> float:
        """How long a record on trial waits before it is sent again."""
        most = RETRY_SECONDS + RETRY_SECONDS_EACH * len(self._trials)
        trial = self._trials.get(seq)
        return min(most, max(RETRY_FIRST_SECONDS, trial.seconds)) if trial else most

    def passed(self, size: int, *, body_bytes: int, now: float) -> None:
        """A request was let through, whatever the stream then said of its records."""
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
        """A request with these records had no answer, or one that tells nothing of its size."""
        if not self._trials:
            return
        for seq in seqs:
            if trial := self._trials.get(seq):
                trial.is_interrupted = True

    def refused(self, size: int, *, body_bytes: int, now: float) -> bool:
        """A request that can be divided was refused for its size; whether it is worth a try to divide it."""
        self._note_refusal(body_bytes, now)
        self._probe_at = now + PROBE_SECONDS
        self.bytes = max(LEAST_BYTES, min(self.bytes, size // 2))
        return size > LEAST_BYTES

    def judge(self, seq: int, *, body_bytes: int, now: float) -> Verdict:
        """What a record is whose request was refused for its size and cannot be divided."""
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
