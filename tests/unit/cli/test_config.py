"""`forwarder config`: what holds, where it comes from, and no password."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forwarder.cli import command_line
from forwarder.config.reader import load

SECRET = "hunter2"
FILE = f"""
[[table]]
match = "public.*"
columns = {{ mask = {{ "the phone" = "***" }} }}

[[sink]]
url = "kinesis://changes?endpoint_url=http%3A%2F%2Fuser%3A{SECRET}%40host"
"""


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The command would set up the logs of this process, which other tests look at.
    monkeypatch.setattr("forwarder.logs.configure", lambda _: None)
    Path("forwarder.toml").write_text(FILE)


def printed(*arguments: str, **environment: str) -> str:
    run = CliRunner().invoke(command_line(("config",)), ["config", *arguments], env=environment)
    assert run.exit_code == 0, run.output
    return run.stdout


def test_what_show_prints_is_a_settings_file_that_says_the_same(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(printed("show", FORWARDER_LISTEN_PAGE_ROWS="7").replace("***%40", f"user%3A{SECRET}%40"))

    assert load({}, path=copy) == load({"FORWARDER_LISTEN_PAGE_ROWS": "7"})


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_password_is_shown(form: tuple[str, ...]) -> None:
    url = f"postgresql://app:{SECRET}@db.internal/app?sslpassword={SECRET}&pass%77ord={SECRET}&sslmode=require"
    shown = printed("show", *form, FORWARDER_DATABASE_URL=url)

    assert SECRET not in shown
    assert "postgresql://app:***@db.internal/app?sslpassword=***" in shown
    assert "***%40host" in shown


def test_each_line_of_json_says_where_a_setting_comes_from() -> None:
    lines = map(json.loads, printed("show", "--json", FORWARDER_LOG_FORMAT="json").splitlines())
    found = {line["setting"]: (line["value"], line["source"]) for line in lines}

    assert found["log.format"] == ("json", "FORWARDER_LOG_FORMAT")
    assert found["table[0].match"] == ("public.*", "forwarder.toml")
    assert found["http.bind"] == ("127.0.0.1:8080", "default")


def test_show_prints_toml() -> None:
    assert tomllib.loads(printed("show"))["table"][0]["columns"] == {"mask": {"the phone": "***"}}


def test_schema_prints_json() -> None:
    assert json.loads(printed("schema"))["title"] == "Settings of forwarder"
