"""The metrics for Prometheus and CloudWatch. Nothing in here is called for each record; docs/metrics.md has all of them.

* ``Metrics`` in ``process``: those of one process, and their exposition
* ``SinkMetrics`` in ``sink``, ``OutboxMetrics`` in ``outbox``, ``DoorbellMetrics`` in ``doorbell``, ``SessionMetrics`` in ``sessions``: what the
  parts of the process are given, to tell what they have done
* ``EmbeddedMetrics`` in ``embedded``: lines of the log that CloudWatch makes metrics of
"""

from forwarder.metrics.doorbell import DoorbellMetrics
from forwarder.metrics.embedded import EmbeddedMetrics
from forwarder.metrics.outbox import OutboxMetrics
from forwarder.metrics.process import CONTENT_TYPE, Metrics
from forwarder.metrics.sessions import SessionMetrics
from forwarder.metrics.sink import SinkMetrics

__all__ = [
    "CONTENT_TYPE",
    "DoorbellMetrics",
    "EmbeddedMetrics",
    "Metrics",
    "OutboxMetrics",
    "SessionMetrics",
    "SinkMetrics",
]
