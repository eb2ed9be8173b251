"""What a database URL means, and what is said of one that cannot be used."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from forwarder.database.address import require_files, resolve
from forwarder.database.connection_target import VARIABLES
from forwarder.database.url import INVENTED, KNOWN, parse
from forwarder.errors import Misconfigured

BASE = "postgresql://app:hunter2@db.example:6432/shop"


def given(url: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """What asyncpg is given."""
    query = urlsplit(resolve(url, environment or {}).dsn).query
    return {name: values[-1] for name, values in parse_qs(query, strict_parsing=True).items()}


def refusal(url: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(Misconfigured) as error:
        resolve(url, environment or {})
    return str(error.value)


OURS = {"host": "db.example", "port": "6432", "dbname": "shop", "user": "app", "password": "hunter2"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (BASE, OURS),
        (BASE.replace("postgresql", "postgres"), OURS),
        ("postgresql://", {"port": "5432"}),
        ("postgresql:///shop", {"port": "5432", "dbname": "shop"}),
        ("postgresql://app@/shop?host=/run/postgresql", {"host": "/run/postgresql", "user": "app", "dbname": "shop", "port": "5432"}),
        ("postgresql://%2Frun%2Fpg/shop", {"host": "/run/pg", "port": "5432", "dbname": "shop"}),
        ("postgresql://[::1]:1/a", {"host": "[::1]", "port": "1", "dbname": "a"}),
        ("postgresql://a:1,b/shop", {"host": "a,b", "port": "1,5432", "dbname": "shop"}),
        ("postgresql://a,b/shop?port=7", {"host": "a,b", "port": "7,7", "dbname": "shop"}),
        ("postgresql://a:p%40%2F%3F%23%25+w@h/d", {"host": "h", "port": "5432", "user": "a", "password": "p@/?#%+w", "dbname": "d"}),
        ("postgresql://h/d?user=me@srv&password=a%26b", {"host": "h", "port": "5432", "user": "me@srv", "password": "a&b", "dbname": "d"}),
        ("postgresql://h/d?dbname=e&dbname=f", {"host": "h", "port": "5432", "dbname": "f"}),
        (f"{BASE}?options=-c%20search_path%3Dx", {**OURS, "options": "-c search_path=x"}),
        (f"{BASE}?sslmode=verify-full&sslrootcert=/ca.pem", {**OURS, "sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
        (f"{BASE}?ssl=true", {**OURS, "sslmode": "require"}),
        (f"{BASE}?target_session_attrs=read-write", {**OURS, "target_session_attrs": "read-write"}),
        (f"{BASE}?channel_binding=prefer&gssencmode=disable&sslsni=1&replication=false", OURS),
        (f"{BASE}?connect_timeout=5&keepalives=1&keepalives_idle=30&application_name=x", OURS),
        (f"{BASE}?schema=public&connection_limit=1&pgbouncer=true&pool_timeout=0&statement_cache_size=0", OURS),
    ],
)  # fmt: skip
def test_what_libpq_knows_is_understood(url: str, expected: dict[str, str]) -> None:
    assert given(url) == expected


def test_what_the_url_leaves_out_comes_from_the_service_and_then_from_the_variables(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(
        "# ours\n[shop]\nhost=db.service\nport=6000\ndbname=shop\npassword=50%off\n[other]\nhost=elsewhere\n"
    )
    environment = {"PGSERVICEFILE": str(file), "PGSERVICE": "shop", "PGHOST": "db.variable", "PGUSER": "app"}

    named = {"host": "db.service", "port": "6000", "dbname": "shop", "user": "app", "password": "50%off"}
    assert given("postgresql://", environment) == named
    assert given("postgresql://db.url:1", environment) == {**named, "host": "db.url", "port": "1"}
    assert given("postgresql://?service=other", environment) == {"host": "elsewhere", "port": "5432", "user": "app"}
    assert resolve("postgresql://", environment).address == "db.service:6000/shop"
    assert "'gone' is not in" in refusal("postgresql://?service=gone", environment)
    file.write_text("no section = here\n")
    assert "is no file of database services" in refusal("postgresql://", environment)


def test_time_and_keepalives_are_ours_to_heed() -> None:
    target = resolve(
        f"{BASE}?connect_timeout=1&keepalives=1&keepalives_idle=30&keepalives_count=0&tcp_user_timeout=9000", {}
    )

    assert target.timeout_seconds == 2.0
    assert target.socket_options == (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 9000),
    )
    assert resolve(f"{BASE}?connect_timeout=0", {}).timeout_seconds is None


def test_the_certificates_of_the_machine_are_trusted_if_asked_for() -> None:
    assert resolve(f"{BASE}?sslmode=verify-full&sslrootcert=system", {}).trusts_system
    assert given(f"{BASE}?sslrootcert=system") == {**OURS, "sslmode": "verify-full"}
    assert "sslmode=verify-full alone" in refusal(f"{BASE}?sslmode=require&sslrootcert=system")


@pytest.mark.parametrize("name", sorted(INVENTED))
def test_what_other_drivers_invented_has_no_effect_and_is_named(name: str) -> None:
    url = f"{BASE}?{name}=1&{name}=2&sslmode=require"

    assert parse(url).ignored == (name,)
    assert given(url) == {**OURS, "sslmode": "require"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://app:hun@ter2@db/shop", "a @ in the user, the password or a parameter is to be written %40"),
        ("postgresql://app:hun/ter2@db/shop", "a / in the user, the password or a parameter is to be written %2F"),
        ("postgresql://app:12/ter2@db/shop", "a / in"),
        ("postgresql://app:hun#ter2@db/shop", "a # in the user, the password or a parameter is to be written %23"),
        ("postgresql://app:hunter2@db/shop#", "a # in"),
        ("postgresql://app:hun?ter2@db/shop", "a ? in the user, the password or a parameter is to be written %3F"),
        ("postgresql://app:hun?ter2=hun&ter2@db/shop", "a ? in"),
        ("postgresql://app:hun%ter2@db/shop", "a % in the user, the password or a parameter is to be written %25"),
        ("postgresql://app:hunter2", "the port is no number"),
        ("postgresql://app:hunter2@[::1/shop", "HOST:PORT"),
        ("postgresql://app:hunter2@db:99999/shop", "parameter port of the database's address: it is no number from 1 to"),
        ("postgresql://app:hunter2@a,b:1,c:2,d/shop?port=1,2", "there are 2 of them, for 4 hosts"),
        ("postgresql+asyncpg://app:hunter2@db/shop", "begin it with postgresql:// instead of postgresql+asyncpg://"),
        ("jdbc:postgresql://db/shop?password=hunter2", "begin it with postgresql:// instead of jdbc:postgresql://"),
        ("postgres//app:hunter2@db/shop", "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
        ("mysql://app:hunter2@db/shop", "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
        ("host=db password=hunter2", "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
        (f"{BASE}?sslmode", "a parameter after the ? has no value"),
        (f"{BASE}?sslmod=require", "parameter 'sslmod' is unknown to libpq; did you mean 'sslmode'?"),
        (f"{BASE}?search_path=x", "leave it out, or write options=-c%20NAME=VALUE for a setting of the server"),
        (f"{BASE}?hunter2=x", "a parameter after the ? is unknown"),
        (f"{BASE}?sslmode=hunter2", "parameter sslmode of the database's address: it can be disable, allow"),
        (f"{BASE}?channel_binding=require", "let sslmode=verify-full prove who the server is"),
        (f"{BASE}?hostaddr=10.0.0.1", "name the address as host"),
        (f"{BASE}?connect_timeout=hunter2", "parameter connect_timeout of the database's address: it is no whole number"),
        (f"{BASE}?target_session_attrs=hunter2", "it can be any, read-write"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_url_is_said_without_its_password(url: str, says: str) -> None:
    message = refusal(url)

    assert says in message
    assert "hun" not in message
    assert "ter2" not in message


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("connect_timeout", 2147483647),
        ("keepalives", 2147483647),
        ("keepalives_idle", 32767),
        ("keepalives_interval", 32767),
        ("keepalives_count", 127),
        ("tcp_user_timeout", 2147483647),
    ],
)
def test_a_number_is_bounded_by_what_the_socket_takes(name: str, most: int) -> None:
    for value in ("0", "-1", f"%20{most}"):
        resolve(f"{BASE}?{name}={value}", {})
    for value in (f"{most + 1}", "4000000000", "99999999999999", "9" * 5000, "--5", "1.5", "1e3", "٣"):
        message = f"parameter {name} of the database's address: it is no whole number from 0 to {most}"
        assert refusal(f"{BASE}?{name}={value}") == message


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000, "-1", "٣"])
def test_a_port_is_one_that_there_can_be(port: str) -> None:
    assert (
        refusal(f"postgresql://h/d?port={port}")
        == "parameter port of the database's address: it is no number from 1 to 65535"
    )


@pytest.mark.parametrize("name", sorted({*KNOWN, *VARIABLES}))
def test_every_parameter_of_libpq_is_understood_or_refused_with_a_remedy(name: str) -> None:
    try:
        resolve(f"{BASE}?{name}=x", {"HOME": "/nowhere"})
    except Misconfigured as error:
        assert name in str(error)  # noqa: PT017 - either will do
        assert "unknown" not in str(error)  # noqa: PT017


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "ca.pem"
    target = resolve(f"{BASE}?sslmode=verify-ca&sslrootcert={gone}", {})

    with pytest.raises(
        Misconfigured, match=f"parameter sslrootcert of the database's address: cannot read the file {gone}"
    ):
        require_files(target)
    gone.touch()
    require_files(target)
