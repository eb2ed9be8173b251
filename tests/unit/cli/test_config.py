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


def test_where_the_password_of_the_database_comes_from_is_told(tmp_path: Path) -> None:
    url = {"FORWARDER_DATABASE_URL": "postgresql://app@db.internal/app"}
    passfile = tmp_path / "passfile"
    passfile.write_text(f"*:*:*:*:{SECRET}")
    for variables, told in (
        ({"FORWARDER_DATABASE_URL": f"postgresql://app:{SECRET}@db/app"}, "the password in FORWARDER_DATABASE_URL"),
        ({**url, "PGPASSWORD": SECRET}, "the password in PGPASSWORD"),
        ({**url, "PGPASSFILE": str(passfile)}, f"the password in {passfile}, if it has one"),
        ({**url, "HOME": str(tmp_path)}, "no password"),
        ({**url, "FORWARDER_DATABASE_PASSWORD_FILE": "secret"}, "the password in secret (password_file)"),
        ({**url, "FORWARDER_DATABASE_AUTH": "rds-iam", "FORWARDER_DATABASE_REGION": "eu-west-1", "PGSSLMODE": "require"},
         "a token of IAM for each connection"),
        ({**url, "PGSERVICE": "gone", "PGSERVICEFILE": str(passfile)}, "is no file of database services that can be read"),
    ):  # fmt: skip
        shown = printed("show", **variables)
        assert told in shown.splitlines()[-1]
        assert SECRET not in shown
        (*_, last) = printed("show", "--json", **variables).splitlines()
        assert told in json.loads(last)["value"]


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
