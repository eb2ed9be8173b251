"""The settings of ``[database]``."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config.reader import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no forwarder.toml."""
    monkeypatch.chdir(tmp_path)


def test_a_path_in_the_file_is_from_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "forwarder.toml"
    file.parent.mkdir()
    file.write_text('[database]\npassword_file = "password"\n')

    assert load({}, path=file).database.password_file == tmp_path / "etc" / "password"
    assert load({"FORWARDER_DATABASE_PASSWORD_FILE": "here"}, path=file).database.password_file == Path("here")
