"""What `make build` makes: a wheel and an sdist, each with the SQL inside."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging import ROOT

SQL = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "sql").rglob("*.sql"))


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the sdist of this checkout."""
    directory = tmp_path_factory.mktemp("dist")
    build(ROOT, directory)
    return directory


def build(source: Path, directory: Path, *options: str) -> None:
    """Build as `make build` does; the backend's output shows if it fails."""
    run("-m", "hatchling", "build", "--directory", str(directory), *options, cwd=source)


def run(*arguments: str, cwd: Path, pythonpath: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(pythonpath)} if pythonpath else None
    command = [sys.executable, *arguments]
    finished = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def only(directory: Path, pattern: str) -> Path:
    (path,) = directory.glob(pattern)
    return path


def names_in(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_sql(distributions: Path) -> None:
    names = names_in(only(distributions, "*.whl"))
    assert SQL
    assert {f"forwarder/{path}" for path in SQL} <= names


def test_the_wheel_holds_the_package_alone(distributions: Path) -> None:
    top = {name.split("/")[0] for name in names_in(only(distributions, "*.whl"))}
    assert {name for name in top if not name.endswith(".dist-info")} == {"forwarder"}


def test_a_wheel_made_from_the_sdist_is_the_same(distributions: Path, tmp_path: Path) -> None:
    with tarfile.open(only(distributions, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    build(only(tmp_path, "forwarder-*"), tmp_path, "--target", "wheel")
    assert names_in(only(tmp_path, "*.whl")) == names_in(only(distributions, "*.whl"))


def test_the_installed_wheel_finds_its_sql(distributions: Path, tmp_path: Path) -> None:
    target = tmp_path / "site-packages"
    wheel = str(only(distributions, "*.whl"))
    run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target), wheel, cwd=tmp_path)
    found = run(
        "-c",
        "from forwarder.database.queries import SQL, query; print(SQL); assert query('drain')",
        cwd=tmp_path,
        pythonpath=target,
    )
    assert Path(found.strip()) == target / "forwarder" / "sql"
