"""The panels of the dashboard, row by row: what an operator asks, in the order in which it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of the job and the sinks that are chosen above the panels.
_JOB = 'job=~"$job"'
_SINK = f'{_JOB}, sink=~"$sink"'


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel, and what is drawn in it: by legend, an expression."""

    title: str
    lines: Mapping[str, str]
    says: str = ""
    unit: str = "short"
    # "stat": one figure, green below the first threshold.
    kind: str = "timeseries"
    columns: int = 8
    # From which value on it is red. A figure that should be high is red below its `floor`.
    red_from: float | None = None
    floor: float | None = None
    stacked: bool = False


def _rate(name: str, selector: str, *, by: str) -> str:
    return f"sum by ({by}) (rate({name}{{{selector}}}[$__rate_interval]))"


def _quantile(quantile: float, name: str, selector: str, *, by: str) -> str:
    of = _rate(f"{name}_bucket", selector, by=f"{by}, le")
    return f"histogram_quantile({quantile}, {of})"


def _quantiles(name: str, selector: str, *, by: str) -> Mapping[str, str]:
    legend = f"{{{{{by}}}}}"
    return {
        f"{legend} p50": _quantile(0.5, name, selector, by=by),
        f"{legend} p99": _quantile(0.99, name, selector, by=by),
    }


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Is it well?",
        (
            Panel(
                title="Sinks without a leader",
                says="Nobody delivers to them. docs/operations.md#forwardernoleader",
                lines={"": f"count(sum by (sink) (forwarder_sink_leader{{{_SINK}}}) < 1) or vector(0)"},
                kind="stat",
                columns=4,
                red_from=1,
            ),
            Panel(
                title="Sinks that are stuck",
                says="They are led, and something is in the way; /readyz of the leader names it.",
                lines={
                    "": f"sum((forwarder_sink_leader{{{_SINK}}} == 1) * (forwarder_sink_ready{{{_SINK}}} == bool 0)) or vector(0)"
                },
                kind="stat",
                columns=4,
                red_from=1,
            ),
            Panel(
                title="Oldest undelivered change",
                lines={"": f"max(forwarder_outbox_waiting_seconds{{{_SINK}}})"},
                unit="s",
                kind="stat",
                columns=4,
                red_from=300,
            ),
            Panel(
                title="Dead letters",
                lines={"": f"sum(max by (sink) (forwarder_dead_letters{{{_SINK}}}))"},
                kind="stat",
                columns=4,
                red_from=1,
            ),
            Panel(
                title="Tables not captured",
                lines={"": f"max(forwarder_uncaptured_tables{{{_JOB}}}) + max(forwarder_capture_paused{{{_JOB}}})"},
                says="Their triggers are missing or disabled; one more where capture is paused.",
                kind="stat",
                columns=4,
                red_from=1,
            ),
            Panel(
                title="Listeners",
                lines={"": f"count(forwarder_build_info{{{_JOB}}})"},
                says="One leads, the others stand by.",
                kind="stat",
                columns=4,
                floor=2,
            ),
        ),
    ),
    (
        "Latency",
        (
            Panel(
                title="From commit to acknowledgement",
                says="One change of each page is measured, and stands for all of it.",
                lines=_quantiles("forwarder_sink_latency_seconds", _SINK, by="sink"),
                unit="s",
                columns=12,
            ),
            Panel(
                title="Age of the oldest undelivered change",
                lines={"{{sink}}": f"max by (sink) (forwarder_outbox_waiting_seconds{{{_SINK}}})"},
                unit="s",
                columns=12,
            ),
        ),
    ),
    (
        "Throughput",
        (
            Panel(
                title="Records delivered",
                lines={"{{sink}}": _rate("forwarder_sink_records_total", _SINK, by="sink")},
                unit="cps",
            ),
            Panel(
                title="Bytes delivered",
                lines={"{{sink}}": _rate("forwarder_sink_bytes_total", _SINK, by="sink")},
                unit="Bps",
            ),
            Panel(
                title="Backlog",
                says="Changes that are not delivered; above 1,000 by the difference of seqs.",
                lines={"{{sink}}": f"max by (sink) (forwarder_outbox_backlog_changes{{{_SINK}}})"},
            ),
            Panel(
                title="The ten busiest tables",
                says="Empty where forwarder_tables_limited is 1: there are more tables than tables_limit in [metrics].",
                lines={"{{table}}": f"topk(10, {_rate('forwarder_table_changes_total', _SINK, by='table')})"},
                unit="cps",
                columns=12,
                stacked=True,
            ),
            Panel(
                title="Rows loaded",
                lines={
                    "{{sink}}": _rate("forwarder_load_rows_total", _SINK, by="sink"),
                    "{{sink}} rows left": f"max by (sink) (forwarder_load_remaining_rows{{{_SINK}}})",
                },
                columns=12,
            ),
        ),
    ),
    (
        "Kinesis",
        (
            Panel(
                title="Request time",
                lines=_quantiles("forwarder_sink_request_seconds", _SINK, by="sink"),
                unit="s",
            ),
            Panel(
                title="Requests",
                lines={
                    "{{sink}}": _rate("forwarder_sink_request_seconds_count", _SINK, by="sink"),
                    "{{sink}} failed": _rate("forwarder_sink_failed_requests_total", _SINK, by="sink"),
                },
                unit="reqps",
            ),
            Panel(
                title="Requests under way",
                lines={"{{sink}}": f"sum by (sink) (forwarder_sink_requests_in_flight{{{_SINK}}})"},
            ),
            Panel(
                title="Throttled, by shard",
                lines={"{{shard}}": _rate("forwarder_sink_throttled_requests_total", _SINK, by="shard")},
                unit="reqps",
            ),
            Panel(
                title="Records not stored, by code",
                says="They are sent again, unless they are set aside.",
                lines={"{{code}}": _rate("forwarder_sink_rejected_records_total", _SINK, by="code")},
                unit="cps",
            ),
            Panel(
                title="Longest lane",
                says="Records of one key that wait for one another, in the longest lane: a hot key.",
                lines={"{{sink}}": f'max by (sink) (forwarder_sink_hot_lane_records{{{_SINK}, rank="1"}})'},
            ),
        ),
    ),
    (
        "Outbox",
        (
            Panel(title="On disk", lines={"outbox": f"max(forwarder_outbox_bytes{{{_JOB}}})"}, unit="bytes"),
            Panel(
                title="Reads",
                says="head: what is new, for all sinks at once; backlog: pages for a sink that is behind.",
                lines=_quantiles("forwarder_outbox_read_seconds", _JOB, by="of"),
                unit="s",
            ),
            Panel(
                title="Checkpoints",
                lines=_quantiles("forwarder_sink_checkpoint_seconds", _SINK, by="sink"),
                unit="s",
            ),
            Panel(
                title="Doorbell",
                says="Rings cost writers a lock of the whole instance; a busy listener is awake, and nobody rings.",
                lines={
                    "rings": f"sum(rate(forwarder_doorbell_rings_total{{{_JOB}}}[$__rate_interval]))",
                    "woken by {{cause}}": _rate("forwarder_doorbell_wakes_total", _JOB, by="cause"),
                },
                unit="ops",
            ),
            Panel(
                title="Janitor",
                lines={
                    "round p99": f"histogram_quantile(0.99, {_rate('forwarder_janitor_round_seconds_bucket', _JOB, by='le')})",
                },
                unit="s",
            ),
            Panel(
                title="Leaves emptied, and rounds that failed",
                lines={
                    "emptied": f"sum(increase(forwarder_outbox_reclaimed_leaves_total{{{_JOB}}}[1h]))",
                    "failed": f"sum(increase(forwarder_janitor_failures_total{{{_JOB}}}[1h]))",
                },
            ),
        ),
    ),
    (
        "Process",
        (
            Panel(
                title="CPU",
                lines={"{{instance}}": _rate("process_cpu_seconds_total", _JOB, by="instance")},
                unit="percentunit",
            ),
            Panel(
                title="Memory",
                lines={"{{instance}}": f"max by (instance) (process_resident_memory_bytes{{{_JOB}}})"},
                unit="bytes",
            ),
            Panel(
                title="Event loop's lag, p99",
                says="How late the process comes to what is due: it lacks CPU where this is high.",
                lines={"{{instance}}": _quantile(0.99, "forwarder_event_loop_lag_seconds", _JOB, by="instance")},
                unit="s",
            ),
            Panel(
                title="Records in memory",
                lines={"{{sink}}": f"sum by (sink) (forwarder_sink_memory_records{{{_SINK}}})"},
            ),
            Panel(
                title="Sessions of PostgreSQL",
                lines={"{{purpose}}": f"sum by (purpose) (forwarder_database_sessions{{{_JOB}}})"},
                stacked=True,
            ),
            Panel(
                title="Restarts of delivery in an hour",
                lines={
                    "{{sink}} {{reason}}": f"sum by (sink, reason) (increase(forwarder_sink_restarts_total{{{_SINK}}}[1h]))"
                },
            ),
        ),
    ),
)
