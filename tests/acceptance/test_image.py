"""The Dockerfile's steps, run on this machine without Docker: what they install runs, and is as large as docs/image.md says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from forwarder import __version__
from tests.packaging import ROOT, dockerfile_lines, health_check

INSTALLED = "/opt/forwarder"
# Files differ a little between releases of Python and processors.
TOLERANCE = 0.15


@pytest.mark.long
def test_what_the_steps_of_the_image_install_runs_and_is_as_large_as_documented(built: Path) -> None:
    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": f"{built}/bin:/usr/bin:/bin", "HOME": "/nonexistent", **environment}
        program = shutil.which(command[0], path=own["PATH"])
        assert program is not None
        return subprocess.run(
            [program, *command[1:]], env=own, cwd=built.parent, capture_output=True, text=True, check=False
        )

    assert run("forwarder", "--version").stdout == f"forwarder {__version__}\n"
    assert run(*health_check(), FORWARDER_HTTP_BIND="").returncode == 0
    assert run(*health_check(), FORWARDER_HTTP_BIND="127.0.0.1:9").returncode == 1
    # The SQL travels with it, and pip does not.
    assert {path.name for path in built.rglob("*.sql")} >= {path.name for path in (ROOT / "sql").rglob("*.sql")}
    assert "No module named pip" in run("python", "-m", "pip").stderr

    documented = int(re.findall(r"\*\*(\d+) MiB\*\*", (ROOT / "docs" / "image.md").read_text())[0])
    measured = sum(path.lstat().st_size for path in built.rglob("*")) / (1 << 20)
    assert measured == pytest.approx(documented, rel=TOLERANCE)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What the image's first stage leaves behind, by its own commands."""
    if os.environ.get("PIP_NO_INDEX"):
        pytest.skip("the steps fetch what the locks pin")
    build, installed = tmp_path / "build", tmp_path / "opt"
    build.mkdir()
    venv.create(tmp_path / "python", with_pip=True, symlinks=True)
    environment = {**os.environ, "PATH": f"{tmp_path}/python/bin:{os.environ['PATH']}", "PIP_NO_CACHE_DIR": "1"}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    for name in ("VIRTUAL_ENV", "PYTHONPATH"):
        environment.pop(name, None)
    for line in stage_of_build():
        keyword, _, rest = line.partition(" ")
        if keyword == "COPY":
            copy(rest.split(), build)
        elif keyword == "RUN":
            command = rest.replace(INSTALLED, str(installed))
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=build, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
    return installed


def stage_of_build() -> list[str]:
    lines = dockerfile_lines()
    first, second = (number for number, line in enumerate(lines) if line.startswith("FROM "))
    return lines[first:second]


def copy(words: list[str], build: Path) -> None:
    """As COPY does: of a folder its content, of a pattern what is there."""
    *sources, target = words
    place = build / target.removeprefix("/build/")
    for path in (found for source in sources for found in ROOT.glob(source)):
        if path.is_dir():
            shutil.copytree(path, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
