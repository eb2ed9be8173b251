"""Whatever a user gets wrong ends in one line that says what, where and the remedy: no traceback, and no password."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from forwarder import __version__
from forwarder.database.sessions import LOCK_CLASS, MIGRATION_LOCK
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, Served, command, kinesis_with_stream
from tests.waiting import eventually

PASSWORD = "hunter2secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is wrong, and what must be said. Braces name what is only known at run time."""

    id: str
    status: int
    says: tuple[str, ...]
    arguments: tuple[str, ...] = ("listen",)
    env: Mapping[str, str | None] = field(default_factory=dict)
    file: str | None = None


def database(url: str) -> dict[str, str]:
    return {"FORWARDER_DATABASE_URL": url}


def sink(url: str) -> dict[str, str]:
    return {"FORWARDER_SINK": url}


SEQS = [(text, ("seq", "1 to 9223372036854775807")) for text in ("0", "-5", str(1 << 63), "9" * 5000, "1.5", "five")]

USAGE = [
    Case(id="unknown flag", status=2, arguments=("listen", "--frobnicate"), says=("--frobnicate", "--help")),
    Case(id="unknown command", status=2, arguments=("lissen",), says=("lissen", "--help")),
    Case(
        id="seq above all seqs",
        status=2,
        arguments=("dead-letters", "show", "99999999999999999999"),
        says=("9223372036854775807",),
    ),
    Case(
        id="start above all seqs",
        status=2,
        arguments=("replay", "--sink", "default", "--from", "99999999999999999999"),
        says=("--from", "nor a seq"),
    ),
    Case(id="flag without its value", status=2, arguments=("listen", "--sink"), says=("--sink",)),
    Case(id="unknown log format", status=2, arguments=("listen", "--log-format", "xml"), says=("xml", "json")),
    Case(
        id="unknown setting in the file", status=2, file="[listen]\npage_row = 1", says=("listen.page_row", "page_rows")
    ),
    Case(
        id="unknown section in the file",
        status=2,
        file=f'[databse]\nurl = "postgresql://u:{PASSWORD}@h/db"',
        says=("databse", "database"),
    ),
    Case(
        id="wrong type in the file",
        status=2,
        file=f'[database]\nurl = ["postgresql://u:{PASSWORD}@h/db"]',
        env={"FORWARDER_DATABASE_URL": None},
        says=("database.url",),
    ),
    Case(id="file that is not TOML", status=2, file=f'[database]\nurl = "{PASSWORD}', says=("forwarder.toml", "TOML")),
    Case(id="file that is not there", status=2, arguments=("listen", "--config", "gone.toml"), says=("gone.toml",)),
    Case(
        id="unknown variable",
        status=2,
        env={"FORWARDER_LISTEN_PAGE_ROW": "1"},
        says=("FORWARDER_LISTEN_PAGE_ROW", "FORWARDER_LISTEN_PAGE_ROWS"),
    ),
    Case(id="value out of bounds", status=2, env={"FORWARDER_LISTEN_PAGE_ROWS": "0"}, says=("listen.page_rows",)),
    Case(id="value of another type", status=2, env={"FORWARDER_LISTEN_PAGE_ROWS": "many"}, says=("listen.page_rows",)),
    Case(id="port without a number", status=2, env={"FORWARDER_HTTP_BIND": "localhost:http"}, says=("http.bind",)),
    Case(
        id="port above all ports", status=2, env={"FORWARDER_HTTP_BIND": "127.0.0.1:70000"}, says=("http.bind", "70000")
    ),
    Case(id="no database", status=2, env={"FORWARDER_DATABASE_URL": None}, says=("FORWARDER_DATABASE_URL",)),
    Case(id="no sink", status=2, env={"FORWARDER_SINK": None}, says=("FORWARDER_SINK", "--sink", "kinesis://")),
    Case(
        id="database URL without colon",
        status=2,
        env=database(f"postgres//u:{PASSWORD}@h/db"),
        says=("malformed", "postgresql://USER"),
    ),
    Case(
        id="database URL of another kind",
        status=2,
        env=database(f"mysql://u:{PASSWORD}@h/db"),
        says=("malformed", "postgresql://USER"),
    ),
    Case(
        id="slash in the password", status=2, env=database(f"postgresql://u:1/{PASSWORD}@h/db"), says=("a / in", "%2F")
    ),
    Case(id="at in the password", status=2, env=database(f"postgresql://u:@{PASSWORD}@h/db"), says=("a @ in", "%40")),
    Case(id="hash in the password", status=2, env=database(f"postgresql://u:#{PASSWORD}@h/db"), says=("a # in", "%23")),
    Case(
        id="unknown parameter of the database URL",
        status=2,
        arguments=("migrate",),
        env=database(f"postgresql://u:{PASSWORD}@h/db?sslmod=require"),
        says=("'sslmod'", "did you mean 'sslmode'?"),
    ),
    Case(
        id="parameter of the database URL that cannot be kept",
        status=2,
        arguments=("sinks", "list"),
        env=database(f"postgresql://u:{PASSWORD}@h/db?channel_binding=require"),
        says=("channel_binding", "sslmode=verify-full"),
    ),
    Case(
        id="certificate that is not there",
        status=2,
        env=database(f"postgresql://u:{PASSWORD}@h/db?sslmode=verify-ca&sslrootcert=gone.pem"),
        says=("sslrootcert", "gone.pem"),
    ),
    Case(id="unknown service", status=2, env={"PGSERVICE": "nobodys", **database("postgresql://")}, says=("nobodys",)),
    Case(
        id="question mark in the password",
        status=2,
        env=database(f"postgresql://u:?{PASSWORD}@h/db"),
        says=("a ? in", "%3F"),
    ),
    Case(
        id="unknown sslmode",
        status=2,
        env=database(f"postgresql://u:{PASSWORD}@127.0.0.1/db?sslmode=bogus"),
        says=("sslmode", "verify-full"),
    ),
    Case(id="unknown sink kind", status=2, env=sink("kafka://changes"), says=("kafka", "kinesis://")),
    Case(id="sink without a kind", status=2, env=sink("changes"), says=("changes", "kinesis://")),
    Case(id="kinesis without a stream", status=2, env=sink("kinesis://?region=eu-west-1"), says=("kinesis://STREAM",)),
    Case(id="sink option without a value", status=2, env=sink("kinesis://changes?region"), says=("malformed",)),
    Case(id="malformed stream name", status=2, env=sink("kinesis://a b?region=x"), says=("a b", "names no stream")),
    Case(
        id="region that cannot be", status=2, env=sink("kinesis://changes?region=mars-1"), says=("'mars-1'", "region")
    ),
    Case(id="unknown sink option", status=2, env=sink("kinesis://changes?regoin=x"), says=("regoin", "region")),
    Case(id="unknown format", status=2, env=sink("stdout:?format=nativ"), says=("format='nativ'", "native")),
    *(
        Case(
            id=f"seq {text[:9]} to replay from", status=2, arguments=("replay", "--sink=a", f"--from={text}"), says=says
        )
        for text, says in SEQS
    ),
    *(
        Case(id=f"seq {text[:9]} of a dead letter", status=2, arguments=("dead-letters", "show", "--", text), says=says)
        for text, says in SEQS
    ),
    Case(id="file without a path", status=2, env=sink("file:"), says=("file:",)),
]

WORLD = [
    Case(
        id="missing database", status=1, env=database("{server}/nowhere"), says=("nowhere", "check the database name")
    ),
    Case(
        id="missing role",
        status=1,
        env=database(f"postgresql://nobody:{PASSWORD}@{{address}}/{{database}}"),
        says=("nobody", "check the user"),
    ),
    Case(id="missing schema", status=1, env=database("{bare}"), says=("run `forwarder migrate`",)),
    Case(id="missing privilege", status=1, env=database("{writer}"), says=("permission denied", "grant")),
    Case(id="missing stream", status=1, env=sink("{kinesis:nowhere}"), says=("nowhere", "create the stream")),
    Case(
        id="missing region",
        status=1,
        env=sink("kinesis://changes?endpoint_url={endpoint}"),
        says=("region", "AWS_REGION"),
    ),
    Case(
        id="missing credentials",
        status=1,
        env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, **sink("{kinesis:changes}")},
        says=("AWS_ACCESS_KEY_ID",),
    ),
    Case(
        id="half of the credentials",
        status=1,
        env={"AWS_SECRET_ACCESS_KEY": None, **sink("{kinesis:changes}")},
        says=("AWS_SECRET_ACCESS_KEY",),
    ),
    Case(
        id="unknown profile",
        status=1,
        env={"AWS_PROFILE": "nobodys", **sink("{kinesis:changes}")},
        says=("nobodys", "AWS_PROFILE"),
    ),
    Case(
        id="malformed region",
        status=1,
        env=sink("kinesis://changes?region=eu west&endpoint_url={endpoint}"),
        says=("region",),
    ),
    Case(
        id="malformed endpoint",
        status=1,
        env=sink("kinesis://changes?region=eu-west-1&endpoint_url=nonsense"),
        says=("nonsense", "endpoint_url"),
    ),
    Case(
        id="endpoint that is another web server",
        status=1,
        env=sink("kinesis://changes?region=eu-west-1&endpoint_url={web}"),
        says=("endpoint_url",),
    ),
    Case(id="file in a missing directory", status=1, env=sink("file:gone/changes.jsonl"), says=("gone/changes.jsonl",)),
    Case(id="file that is a directory", status=1, env=sink("file:/"), says=("cannot open /",)),
    Case(
        id="port in use",
        status=1,
        env={"FORWARDER_HTTP_BIND": "127.0.0.1:{used}"},
        says=("in use", "FORWARDER_HTTP_BIND"),
    ),
    Case(id="address of another machine", status=1, env={"FORWARDER_HTTP_BIND": "192.0.2.1:0"}, says=("192.0.2.1:0",)),
]

UNREACHABLE = [
    Case(
        id="database",
        status=0,
        env=database(f"postgresql://u:{PASSWORD}@127.0.0.1:{{closed}}/db"),
        says=("trying again", "127.0.0.1:{closed}/db"),
    ),
    Case(
        id="stream",
        status=0,
        env=sink("kinesis://changes?region=eu-west-1&endpoint_url=http://127.0.0.1:{closed}"),
        says=("waiting for the stream's endpoint", "changes"),
    ),
]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served


@pytest.fixture
async def web_server() -> AsyncIterator[str]:
    """A server that answers everything with a friendly page."""

    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    runner = web.ServerRunner(web.Server(hello))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def ports() -> Iterator[dict[str, str]]:
    """One that is in use, and one where nobody listens."""
    with socket.socket() as used, socket.socket() as closed:
        used.bind(("127.0.0.1", 0))
        used.listen()
        closed.bind(("127.0.0.1", 0))
        yield {"{used}": str(used.getsockname()[1]), "{closed}": str(closed.getsockname()[1])}


@pytest.fixture
def names(
    database: Database, bare_database: Database, served: Served, web_server: str, ports: dict[str, str]
) -> dict[str, str]:
    """What the braces in a case stand for."""
    address = database.url.partition("@")[2].partition("/")[0]
    return {
        "{server}": database.url.rpartition("/")[0],
        "{address}": address,
        "{database}": database.name,
        "{bare}": bare_database.url,
        "{writer}": database.writer_url,
        "{kinesis:nowhere}": served.sink.replace("changes", "nowhere"),
        "{kinesis:changes}": served.sink,
        "{endpoint}": served.endpoint_url,
        "{web}": web_server,
        **ports,
    }


def filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def environment(case: Case, names: Mapping[str, str]) -> dict[str, str]:
    """A good environment but for what the case changes."""
    good = {**CREDENTIALS, "FORWARDER_DATABASE_URL": "postgresql://u@127.0.0.1:1/db", "FORWARDER_SINK": "stdout:"}
    return {name: filled(value, names) for name, value in {**good, **case.env}.items() if value is not None}


async def assert_refused(case: Case, directory: Path, env: Mapping[str, str]) -> None:
    arguments = case.arguments
    if case.file is not None:
        path = directory / "forwarder.toml"
        path.write_text(case.file)
        arguments = (*arguments, "--config", str(path))
    async with command(*arguments, env=env, directory=directory / "run") as refused:
        assert await refused.ends() == case.status, refused.stderr
        assert refused.stderr.startswith("forwarder: ")
        assert refused.stderr.endswith("\n")
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert PASSWORD not in refused.stderr
        assert refused.stdout == b""
        for words in case.says:
            assert words in refused.stderr


@pytest.mark.parametrize("case", USAGE, ids=lambda case: case.id)
async def test_bad_usage_is_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    await assert_refused(case, tmp_path, environment(case, {}))


async def test_the_version_is_told(tmp_path: Path) -> None:
    async with command("--version", env={}, directory=tmp_path / "run", warm=False) as told:
        assert await told.ends() == 0, told.stderr
        assert told.stdout == f"forwarder {__version__}\n".encode()


async def test_ctrl_c_ends_a_command_with_one_line(tmp_path: Path, database: Database) -> None:
    async with connected(database.url) as holder:
        await holder.execute(f"SELECT pg_advisory_lock({LOCK_CLASS}, {MIGRATION_LOCK})")
        env = {"FORWARDER_DATABASE_URL": database.url}
        async with command("migrate", env=env, directory=tmp_path / "run", warm=False) as waiting:
            await waiting.says("waiting for a stranger")
            waiting.process.send_signal(signal.SIGINT)
            assert await waiting.ends() == 130
            assert waiting.stderr.splitlines()[1:] == ["forwarder: interrupted"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells by /proc that it is starting")
async def test_ctrl_c_while_a_command_starts_ends_it_without_a_traceback(tmp_path: Path) -> None:
    # It goes on to wait for the database, where it may come before the signal.
    env = {**database("postgresql://u@127.0.0.1:1/db"), **sink("stdout:")}
    async with command("listen", env=env, directory=tmp_path / "run", warm=False) as starting:
        maps = anyio.Path(f"/proc/{starting.process.pid}/maps")

        async def imports() -> bool:
            return "pydantic_core" in await maps.read_text()

        await eventually(imports)
        starting.process.send_signal(signal.SIGINT)
        await starting.ends()
        assert "Traceback" not in starting.stderr


@pytest.mark.parametrize("case", WORLD, ids=lambda case: case.id)
async def test_what_waiting_cannot_mend_is_refused_in_one_line(
    case: Case, tmp_path: Path, names: dict[str, str]
) -> None:
    names = {"postgresql://u@127.0.0.1:1/db": f"{names['{server}']}/{names['{database}']}", **names}
    await assert_refused(case, tmp_path, environment(case, names))


@pytest.mark.parametrize("case", UNREACHABLE, ids=lambda case: case.id)
async def test_what_cannot_be_reached_is_waited_for_and_named(
    case: Case, tmp_path: Path, ports: dict[str, str]
) -> None:
    async with command("listen", env=environment(case, ports), directory=tmp_path / "run") as waiting:
        for words in case.says:
            await waiting.says(filled(words, ports))
        assert "Traceback" not in waiting.stderr
        assert PASSWORD not in waiting.stderr
        assert await waiting.stop() == 0


async def test_what_a_full_disk_does_not_take_is_one_line(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for arguments in (["config", "schema"], ["config", "show"], ["tail", "--help"]):
            async with command(*arguments, env={}, directory=tmp_path / "-".join(arguments), stdout=full) as run:
                assert await run.ends() == 1
                assert run.stderr == "forwarder: cannot write to standard output: No space left on device\n"
    finally:
        os.close(full)
