from __future__ import annotations

from forwarder.status.host_names import is_allowed


def test_who_asks_by_an_address_is_answered() -> None:
    for host in ("127.0.0.1:8080", "10.0.0.5", "[::1]:8080", "[fe80::1]", "192.0.2.1:80"):
        assert is_allowed(host, ()), host


def test_a_name_that_no_stranger_can_own_is_answered() -> None:
    for host in (
        "localhost:8080",
        "listen",
        "a.localhost",
        "printer.local",
        "db.eu.internal:80",
        "x.home.arpa",
        "listen.",
    ):
        assert is_allowed(host, ()), host


def test_a_name_that_a_stranger_may_own_is_answered_if_it_is_listed() -> None:
    for host in (
        "example.com",
        "evil.example.com:8080",
        "127.0.0.1.nip.io",
        "local.example.com",
        "xlocal.com",
        "a.b",
    ):
        assert not is_allowed(host, ("forwarder.example.com",)), host
    assert is_allowed("Forwarder.Example.com.:443", ("forwarder.example.com",))
    assert is_allowed("whatever.example.com", ("*",))


def test_a_request_without_the_header_is_answered() -> None:
    assert is_allowed(None, ())
