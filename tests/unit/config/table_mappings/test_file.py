from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config.reader import load
from forwarder.config.table_mappings.file import load_mappings
from forwarder.errors import Misconfigured
from tests.mapped import ARTICLE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"cannot read .*mappings.json: No such file or directory"),
        (b"\xff\xfe{", "mappings.json is not in UTF-8: byte 1 is none of it; save it as UTF-8"),
        (b"{", "mappings.json is not valid JSON: .* at line 1, column 2"),
        (b"", "mappings.json is not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "mappings.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=says):
        load_mappings(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"cannot read .*: Is a directory"):
        load_mappings(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "mappings.json"
    path.write_text(f"\ufeff{ARTICLE}")
    assert load_mappings(path) is not None


def test_the_path_is_from_the_folder_of_the_settings_on(tmp_path: Path) -> None:
    settings = tmp_path / "forwarder.toml"
    settings.write_text('table_mappings = "dms/mappings.json"\n')
    assert load({}, path=settings).table_mappings == tmp_path / "dms" / "mappings.json"
    assert load({"FORWARDER_TABLE_MAPPINGS": "b.json"}, path=settings).table_mappings == Path("b.json")
    settings.write_text('table_mappings = "/dms/mappings.json"\n')
    assert load({}, path=settings).table_mappings == Path("/dms/mappings.json")
    assert load({}).table_mappings is None


def test_an_unknown_variable_may_be_meant_as_the_mappings() -> None:
    with pytest.raises(Misconfigured, match="did you mean 'FORWARDER_TABLE_MAPPINGS'"):
        load({"FORWARDER_TABLE_MAPPING": "x"})
