"""The health check of the image asks where the settings say that the server is: it reads one setting by itself, and as the reader does."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config import reader
from forwarder.config.http_addresses import Address
from forwarder.status.probe import asked

FILES = (
    None,
    "",
    '[http]\nbind = ":9000"\n',
    '[http]\nbind = ["[::]:9001", "127.0.0.1:9002"]\n',
    '[http]\nbind = ["127.0.0.1:0", "127.0.0.1:9003"]\n',
    "[http]\nbind = []\n",
    '[http]\ntoken = "0123456789abcdef"\n',
)
BINDS = (None, "", ":9100", "0.0.0.0:9101", "[::1]:9102, 127.0.0.1:9103", "127.0.0.1:0", "localhost:9104")


def test_it_asks_where_the_settings_say_that_the_server_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for named in ("forwarder.toml", "other.toml"):
        for text in FILES:
            path = tmp_path / named
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text)
            elif named == "other.toml":
                continue
            for bind in BINDS:
                environment = {} if bind is None else {"FORWARDER_HTTP_BIND": bind}
                if named == "other.toml":
                    environment["FORWARDER_CONFIG"] = str(path) if bind else path.name
                given = [address for address in reader.load(environment).http.addresses if address.port]
                expected = given[0].from_beside if given else None
                assert asked(environment, tmp_path) == expected, (text, environment)
    assert asked({}, tmp_path / "nowhere") == Address(host="127.0.0.1", port=8080)


def test_an_address_that_is_all_of_a_machine_is_asked_by_one_that_is_there() -> None:
    for host, own in ((None, "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.5", "10.0.0.5")):
        assert Address(host=host, port=1).from_beside == Address(host=own, port=1)


def test_settings_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "forwarder.toml").write_text("[http\n")
    with pytest.raises(ValueError, match="line 1"):
        asked({}, tmp_path)
    for text, problem in (
        ("[http]\nbind = 8080\n", "neither"),
        ("http = 1\n", "neither"),
        ('[http]\nbind = "8080"\n', "no address"),
    ):
        (tmp_path / "forwarder.toml").write_text(text)
        with pytest.raises(ValueError, match=problem):
            asked({}, tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        asked({"FORWARDER_CONFIG": "nowhere.toml"}, tmp_path)
