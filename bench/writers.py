"""What capture costs the writers, and what the doorbell spares them."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.figures import Figure, ratios
from bench.pgbench import CLIENTS, pgbench
from bench.rig import CAPTURED, Rig, create_items, rig
from bench.size import Size
from forwarder.database.sessions import Connection

PLAIN = "plain"
NOTIFYING = "notifying"
SCHEMAS = (PLAIN, CAPTURED, NOTIFYING)
UNATTENDED = "captured, nobody listening"

# The statement `IF … pg_try_advisory_xact_lock_shared … THEN … END IF;`, from its line to the END IF with the same indentation.
_DOORBELL = re.compile(r"^( *)IF [^;]*pg_try_advisory_xact_lock_shared.*?^\1END IF;", re.DOTALL | re.MULTILINE)


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Transactions a second on a table without a trigger, a captured one, and one whose trigger always notifies.

    The listener runs and delivers meanwhile. The three take turns, so that whatever else the machine does hits all alike. At
    the end of a turn the listener is stopped: what the writers do then, the trigger alone slows down.
    """
    rates: dict[str, list[float]] = defaultdict(list)
    shares: list[float] = []
    async with rig() as ready, ready.sink() as sink_url:
        await create_items(ready.connection, schema=PLAIN)
        await create_items(ready.connection, schema=NOTIFYING)
        await _notify_always(ready.connection)
        for schema in SCHEMAS:
            await pgbench(ready, "--time=1", schema=schema)
        for _ in range(runs):
            async with ready.listener(sink_url):
                await ready.all_delivered()
                for schema in SCHEMAS:
                    rate, share = await _round(ready, schema, seconds=size.round_seconds)
                    rates[schema].append(rate)
                    if schema == CAPTURED:
                        shares.append(share)
            rates[UNATTENDED].append(await pgbench(ready, f"--time={size.round_seconds}"))
    return _figures(rates, shares)


async def _round(ready: Rig, schema: str, *, seconds: int) -> tuple[float, float]:
    """Transactions a second, and the percentage of their events that was delivered before the last one was written."""
    _, before = await ready.delivered()
    rate = await pgbench(ready, f"--time={seconds}", schema=schema)
    delivered, written = await ready.delivered()
    await ready.all_delivered()
    return rate, 100 * (delivered - before) / (written - before) if written > before else 100.0


async def _notify_always(connection: Connection) -> None:
    """Put a copy of the trigger on the third table that differs in one thing: it notifies, whether anyone sleeps or not.

    Both are made from what `forwarder migrate` has installed, so the copy cannot fall behind it.
    """
    function = await connection.fetchval("SELECT pg_get_functiondef('forwarder.capture'::regproc)")
    copy, rung = _DOORBELL.subn("PERFORM pg_notify('forwarder', '');", function)
    assert rung == 1, "forwarder.capture() has another doorbell than this bench knows"
    await connection.execute(copy.replace("forwarder.capture(", "public.capture_and_notify("))
    trigger = await connection.fetchval(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = $1::text::regclass AND tgname = $2",
        f"{CAPTURED}.item",
        "00_forwarder_capture",
    )
    moved = trigger.replace(f"ON {CAPTURED}.item", f"ON {NOTIFYING}.item")
    await connection.execute(moved.replace("forwarder.capture(", "public.capture_and_notify("))


def _figures(rates: Mapping[str, Sequence[float]], shares: Sequence[float]) -> Sequence[Figure]:
    plain, captured = rates[PLAIN], rates[CAPTURED]
    return [
        _rate("no trigger", plain),
        _rate("captured, listener delivering", captured),
        _rate("NOTIFY in every row's trigger, listener delivering", rates[NOTIFYING]),
        _rate(UNATTENDED, rates[UNATTENDED]),
        Figure(name="captured / no trigger", unit="x", runs=ratios(captured, plain), digits=2, at_least=0.5),
        Figure(name="captured / NOTIFY", unit="x", runs=ratios(captured, rates[NOTIFYING]), digits=2, at_least=2.0),
        Figure(
            name="captured, nobody listening / no trigger", unit="x", runs=ratios(rates[UNATTENDED], plain), digits=2
        ),
        Figure(name="delivered before the captured round ended", unit="%", runs=shares),
    ]


def _rate(name: str, runs: Sequence[float]) -> Figure:
    return Figure(name=f"{CLIENTS} writers, {name}", unit="transactions/s", runs=runs)
