from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config.effective import Setting, effective
from forwarder.config.reader import load, read

FILE = """
[listen]
page_rows = 1
max_events = 3

[[table]]
match = "public.*"
columns = { hash = ["email"] }

[[sink]]
name = "changes"
url = "kinesis://changes"
tables = ["public.*"]
"""


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a forwarder.toml."""
    monkeypatch.chdir(tmp_path)
    Path("forwarder.toml").write_text(FILE)


def found(**environment: str) -> dict[str, Setting]:
    return {setting.name: setting for setting in effective(load(environment), read(environment))}


def source(name: str, **environment: str) -> str:
    return found(**environment)[name].source


def test_a_setting_comes_from_the_variable_before_the_file_before_the_default() -> None:
    settings = found(FORWARDER_LISTEN_PAGE_ROWS="10")

    assert (settings["listen.page_rows"].value, settings["listen.page_rows"].source) == (
        10,
        "FORWARDER_LISTEN_PAGE_ROWS",
    )
    assert (settings["listen.max_events"].value, settings["listen.max_events"].source) == (3, "forwarder.toml")
    assert settings["listen.max_in_flight"].source == "default"


def test_a_table_shows_what_its_rule_sets_and_nothing_else() -> None:
    rule = [setting for setting in found().values() if setting.section == "table"]

    assert [(setting.name, setting.value) for setting in rule] == [
        ("table[0].match", "public.*"),
        ("table[0].columns", {"hash": ["email"]}),
    ]


def test_of_a_sink_of_the_environment_the_file_still_has_the_rest() -> None:
    environment = {"FORWARDER_SINK": "stdout:"}

    assert source("sink[0].url", **environment) == "FORWARDER_SINK"
    assert source("sink[0].tables", **environment) == "forwarder.toml"
    assert source("sink[0].name", **environment) == "forwarder.toml"
    assert source("sink[0].shards", **environment) == "default"
    assert source("sink[0].name", FORWARDER_SINK="other=stdout:") == "FORWARDER_SINK"


def test_table_mappings_are_shown_where_they_are_given() -> None:
    assert "table_mappings" not in found()
    assert source("table_mappings", FORWARDER_TABLE_MAPPINGS="m.json") == "FORWARDER_TABLE_MAPPINGS"
