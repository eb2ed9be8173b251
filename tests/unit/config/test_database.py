"""What goes together in ``[database]``."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config.reader import load
from forwarder.errors import Misconfigured


def problem(**fields: str) -> str:
    with pytest.raises(Misconfigured) as error:
        load({f"FORWARDER_DATABASE_{name.upper()}": value for name, value in fields.items()})
    return str(error.value)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no forwarder.toml."""
    monkeypatch.chdir(tmp_path)


def test_what_goes_with_another_way_to_log_in_is_refused() -> None:
    assert "needs secret, its ARN or its name" in problem(auth="secrets-manager")
    assert "secret goes with auth = secrets-manager, and auth is password" in problem(secret="app")
    assert "password_file goes with auth = password, and auth is rds-iam" in problem(auth="rds-iam", password_file="p")
    assert "iam_endpoint goes with auth = rds-iam" in problem(iam_endpoint="db.example")
    assert "setting database.auth" in problem(auth="kerberos")
    assert "setting database.region" in problem(region="eu-west-1.hunter2")


def test_a_path_in_the_file_is_from_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "forwarder.toml"
    file.parent.mkdir()
    file.write_text('[database]\npassword_file = "password"\n')

    assert load({}, path=file).database.password_file == tmp_path / "etc" / "password"
    assert load({"FORWARDER_DATABASE_PASSWORD_FILE": "here"}, path=file).database.password_file == Path("here")
