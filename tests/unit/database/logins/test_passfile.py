"""The file of passwords is read as libpq reads it."""

from __future__ import annotations

from pathlib import Path

from forwarder.database.logins.passfile import passfile_path, read_passfile

LINES = r"""# db.example:5432:shop:app:a comment
db.example:5432:shop:app:first:and what is behind a colon
db.example:5432:shop:app:second
*:6432:*:app:any
we\:ird:1:sh\\op:a:p\:w\\d
localhost:*:*:app:socket
no line at all

*:*:*:last:
"""


def passfile(directory: Path, text: str = LINES, mode: int = 0o600) -> Path:
    path = directory / "passfile"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_first_line_that_fits_counts(tmp_path: Path) -> None:
    def found(host: str, port: int = 5432, dbname: str = "shop", user: str = "app") -> str | None:
        return read_passfile(passfile(tmp_path)).password(host=host, port=port, dbname=dbname, user=user)

    assert found("db.example") == "first"
    assert found("db.example", 6432, "other") == "any"
    assert found("we:ird", 1, "sh\\op", "a") == "p:w\\d"
    assert found("", dbname="x") == "socket"
    assert found("/run/postgresql") == "socket"
    assert found("db.example", 1) is None
    assert found("db.example", user="last") == ""


def test_a_file_that_others_may_use_or_that_is_none_is_ignored_and_says_why(tmp_path: Path) -> None:
    for mode in (0o640, 0o604, 0o610):
        read = read_passfile(passfile(tmp_path, mode=mode))
        assert not read.lines
        assert f"chmod 600 {tmp_path}/passfile" in str(read.complaint)
    assert "no plain file" in str(read_passfile(tmp_path).complaint)
    (tmp_path / "latin").write_bytes(b"\xff:*:*:*:x")
    (tmp_path / "latin").chmod(0o600)
    assert "no UTF-8" in str(read_passfile(tmp_path / "latin").complaint)
    assert read_passfile(tmp_path / "gone").complaint is None


def test_it_is_where_it_is_named_or_at_home() -> None:
    assert passfile_path("/etc/pass", {"HOME": "/home/app"}) == Path("/etc/pass")
    assert passfile_path(None, {"HOME": "/home/app"}) == Path("/home/app/.pgpass")
    assert passfile_path(None, {}) is None
