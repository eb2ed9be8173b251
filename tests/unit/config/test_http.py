from __future__ import annotations

import pytest

from forwarder.config.http import HttpSettings
from forwarder.config.http_addresses import Address
from forwarder.config.reader import load
from forwarder.errors import Misconfigured

TOKEN = "0123456789abcdef"


def problem(**environment: str) -> str:
    with pytest.raises(Misconfigured) as raised:
        load({f"FORWARDER_HTTP_{name}": value for name, value in environment.items()})
    return str(raised.value)


def test_an_address_may_be_written_in_several_ways() -> None:
    for text, host, port in (
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:0", "::1", 0),
        (":8080", None, 8080),
        ("*:8080", None, 8080),
        ("localhost:80", "localhost", 80),
    ):
        assert HttpSettings(bind=text).addresses == [Address(host=host, port=port)]


def test_several_addresses_are_a_list_or_a_text_with_commas() -> None:
    both = [Address(host="127.0.0.1", port=8080), Address(host="::1", port=8081)]
    assert HttpSettings(bind=["127.0.0.1:8080", "[::1]:8081"]).addresses == both
    assert load({"FORWARDER_HTTP_BIND": "127.0.0.1:8080, [::1]:8081"}).http.addresses == both
    assert HttpSettings(bind="").addresses == HttpSettings(bind=[]).addresses == []


def test_an_address_is_shown_as_it_is_written() -> None:
    for text in ("127.0.0.1:8080", "[::1]:8080", ":8080"):
        assert [str(address) for address in HttpSettings(bind=text).addresses] == [text]


def test_what_is_no_address_is_refused() -> None:
    for text in ("8080", "localhost", "localhost:http", "::1:8080", "a b:80", "127.0.0.1:80,", "http://x:80"):
        assert "setting http.bind in the environment or a flag: " in problem(BIND=text), text
    assert "port 70000 is above 65535" in problem(BIND="127.0.0.1:70000")
    assert "address 2 stands there already" in problem(BIND="127.0.0.1:80,127.0.0.1:80")


def test_a_token_has_to_be_hard_to_guess_and_is_never_told() -> None:
    assert load({"FORWARDER_HTTP_TOKEN": TOKEN}).http.token.get_secret_value() == TOKEN
    for token in (TOKEN[:-1], f"{TOKEN} {TOKEN}", f"{TOKEN}ü", f"{TOKEN}\n"):
        said = problem(TOKEN=token)
        assert "setting http.token" in said
        assert token.strip()[:8] not in said


def test_hosts_are_names_alone() -> None:
    assert load({"FORWARDER_HTTP_HOSTS": "Forwarder.example.com, other"}).http.host_names == {
        "forwarder.example.com",
        "other",
    }
    assert HttpSettings(hosts=["*"]).host_names == {"*"}
    for name in ("http://forwarder.example.com", "forwarder.example.com:80", "a b"):
        assert "setting http.hosts" in problem(HOSTS=name)
