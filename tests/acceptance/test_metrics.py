"""`/metrics` of the real command, as Prometheus reads it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from forwarder.local.kinesis.faults import FailRecords
from tests.databases import Database
from tests.ledger import Ledger, all_delivered, create_accounts, write_rows
from tests.listening import CREDENTIALS, Command, Served, command, kinesis_with_stream
from tests.proxy import proxy
from tests.waiting import eventually

LARGE = "x" * (1 << 20)

Figures = Callable[[], Awaitable[Mapping[str, float]]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def scrape(port: int) -> str:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return await answer.text()


def values(text: str, **labels: str) -> Mapping[str, float]:
    """Each sample that has these labels among its own."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


async def test_a_scrape_tells_what_was_stored_rejected_and_set_aside_and_no_value_of_a_row(
    database: Database, tmp_path: Path
) -> None:
    await create_accounts(database.url)
    ledger, port = Ledger(), free_port()
    async with kinesis_with_stream() as served:
        served.kinesis.faults.replace([FailRecords(partition_keys=frozenset({"public.account.100"}), times=2)])
        await write_rows(ledger, database.writer_url, *range(100, 150))
        await write_rows(Ledger(), database.writer_url, 200, note=LARGE)
        env = {
            **CREDENTIALS,
            "FORWARDER_DATABASE_URL": database.url,
            "FORWARDER_SINK": served.sink,
            "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}",
        }
        async with command("listen", env=env, directory=tmp_path / "listen") as listener:
            await listener.says("listening")
            await all_delivered(ledger, served.data)

            async def counted() -> Mapping[str, float]:
                found = values(text := await scrape(port), sink="default")
                assert "account" not in text
                return found if found["forwarder_sink_records_total"] == 50 else {}

            found = await eventually(counted)
            stored = sum(map(len, served.data()))
            await listener.stop()
    assert found["forwarder_sink_bytes_total"] == stored
    assert found["forwarder_sink_request_seconds_count"] >= 3
    assert found["forwarder_sink_memory_records"] == found["forwarder_sink_memory_bytes"] == 0
    assert found["forwarder_sink_requests_in_flight"] == 0
    assert found["forwarder_sink_rejected_records_total"] == 2
    assert found["forwarder_sink_dead_letters_total"] == 1


@asynccontextmanager
async def scraped(name: str, env: Mapping[str, str], directory: Path) -> AsyncIterator[tuple[Command, Figures]]:
    """A listener, and its figures as they are when they are asked for."""
    port = free_port()

    async def figures() -> Mapping[str, float]:
        text = await scrape(port)
        by_reason = values(text, sink="default", reason="database").items()
        by_purpose = values(text, purpose="leader").items()
        return {
            **values(text),
            **{f"{name}{{database}}": value for name, value in by_reason},
            **{f"{name}{{leader}}": value for name, value in by_purpose},
        }

    env = {**env, "FORWARDER_HTTP_BIND": f"127.0.0.1:{port}"}
    async with command("listen", env=env, directory=directory / name) as listener:
        yield listener, figures


async def until(figures: Figures, **wanted: float) -> Mapping[str, float]:
    """Scrape until each of these figures has at least its value; all of them then."""

    async def reached() -> Mapping[str, float]:
        found = await figures()
        return found if all(found.get(f"forwarder_{name}", -1) >= value for name, value in wanted.items()) else {}

    return await eventually(reached, within_seconds=30)


async def test_a_scrape_follows_a_listener_through_throttles_cut_connections_and_the_death_of_a_leader(
    database: Database, served: Served, tmp_path: Path
) -> None:
    await create_accounts(database.url)
    ledger = Ledger()
    env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
    async with proxy(database.url) as way:
        through = {**env, "FORWARDER_DATABASE_URL": way.url}
        async with scraped("leader", through, tmp_path) as (leader, led):
            await leader.says("listening")
            await write_rows(ledger, database.writer_url, *range(100, 120))
            first = await until(
                led, sink_latency_seconds_count=20, sink_leader=1, doorbell_armed=1, outbox_measured_timestamp_seconds=1
            )
            assert first["forwarder_sink_latency_seconds_sum"] / 20 < 30
            assert first["forwarder_sink_checkpoint_seconds_count"] >= 1
            assert first["forwarder_outbox_read_changes_total"] == 20
            assert "forwarder_outbox_backlog_changes" in first
            assert first["forwarder_database_clock_ahead_seconds"] == pytest.approx(0.0, abs=5.0)
            assert {"forwarder_janitor_round_seconds_count", "process_cpu_seconds_total"} <= first.keys()

            throttles = FailRecords(error_code="ProvisionedThroughputExceededException", times=3)
            served.kinesis.faults.replace([throttles])
            await write_rows(ledger, database.writer_url, *range(120, 140))
            await until(led, sink_throttled_requests_total=1, sink_latency_seconds_count=40)

            way.cut()
            await write_rows(ledger, database.writer_url, 140)
            again = await until(led, sink_latency_seconds_count=41, sink_leader=1)
            assert again["forwarder_sink_restarts_total{database}"] >= 1
            assert again["forwarder_database_sessions_opened_total{leader}"] >= 2
            assert again["forwarder_database_sessions{leader}"] == 1

            async with scraped("standby", env, tmp_path) as (standby, stood_by):
                await standby.says("standing by")
                idle = await until(stood_by, sink_ready=1, outbox_measured_timestamp_seconds=1)
                assert idle["forwarder_sink_leader"] == 0
                assert idle["forwarder_outbox_waiting_seconds"] == 0
                await leader.kill()
                await write_rows(ledger, database.writer_url, 141)
                await until(stood_by, sink_leader=1, sink_latency_seconds_count=1)
                await all_delivered(ledger, served.data)


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_lines_for_cloudwatch_are_json_in_either_format_of_the_log(
    database: Database, served: Served, log_format: str, tmp_path: Path
) -> None:
    await create_accounts(database.url)
    await write_rows(Ledger(), database.writer_url, *range(100, 110))
    env = {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": served.sink,
        "FORWARDER_LOG_FORMAT": log_format,
        "FORWARDER_METRICS_EMF": "true",
        "FORWARDER_METRICS_EMF_INTERVAL_SECONDS": "0.2",
        "FORWARDER_METRICS_SERVICE": "billing",
    }
    async with command("listen", env=env, directory=tmp_path / "listen") as listener:
        await listener.says('"DeliveredRecords": 10.0')
        await listener.says('"OldestUndeliveredSeconds": 0.0')
        assert await listener.stop() == 0
        lines = [line for line in listener.stderr.splitlines() if "CloudWatchMetrics" in line]
    told = [json.loads(line) for line in lines]
    assert {(line["service"], line["sink"]) for line in told} == {("billing", "default")}
    assert sum(line["DeliveredRecords"] for line in told) == 10
    assert max(line["Delivering"] for line in told) == 1
