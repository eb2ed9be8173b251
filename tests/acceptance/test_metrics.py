"""`/metrics` of the real command, as Prometheus reads it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from forwarder.local.kinesis.faults import FailRecords
from tests.databases import Database
from tests.ledger import Ledger, all_delivered, create_accounts, write_rows
from tests.listening import CREDENTIALS, command, kinesis_with_stream
from tests.waiting import eventually

LARGE = "x" * (1 << 20)


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
