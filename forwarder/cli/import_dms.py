"""``forwarder import-dms``: writes a settings file from what AWS DMS says of a task."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from forwarder.config.dms_import.description import Description, described
from forwarder.config.dms_import.settings_file import settings_file
from forwarder.config.table_mappings.file import read_text
from forwarder.config.table_mappings.parsing import rules_in
from forwarder.errors import Misconfigured

# Where the table mappings go if they cannot stay in the file that they are in.
MAPPINGS_FILE = "table-mappings.json"


def import_dms(
    *,
    file: Annotated[list[Path], typer.Argument(metavar="FILE", hidden=True)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write to this file; if not given, to standard output.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", metavar="NAME", help="The task that is meant, if the files have several.", show_default=False
        ),
    ] = None,
) -> None:
    """Write the settings that a task of AWS DMS becomes.

    A FILE is what aws dms describe-endpoints, describe-replication-tasks or describe-replication-configs prints, or table mappings; in any
    order. A comment says of each setting of DMS what it became. At the end stands what has no counterpart, and what to do.

    \b
    Example:
      forwarder import-dms endpoints.json tasks.json --out forwarder.toml
      forwarder import-dms mappings.json
    """
    texts = {path.name: read_text(path) for path in file}
    if len(texts) < len(file):
        raise Misconfigured("two of the files have one name; give each its own")
    found = described(texts, task=task)
    mappings = _mappings_path(found, {path.name: path for path in file}, out)
    mappings_path = None if mappings is None else _from_folder_of(out, mappings)
    written = settings_file(found, sources=list(texts), mappings_path=mappings_path)
    if out is None:
        typer.echo(written, nl=False)
        return
    targets = {out: written}
    if mappings and mappings.name not in texts:
        targets[mappings] = (
            json.dumps({"rules": rules_in(json.loads(found.mappings), source=mappings.name)}, indent=2) + "\n"
        )
    _write(targets, force=force)


def _mappings_path(found: Description, files: dict[str, Path], out: Path | None) -> Path | None:
    """Where the table mappings are, or will be."""
    if found.mappings_file:
        return files[found.mappings_file]
    if found.task is None or not found.mappings:
        return None
    if found.task.is_alone:
        return files[found.task.file]
    if out is None:
        raise Misconfigured(
            f"{found.task.file} has several tasks, so the mappings of this one go to a file of their own; add --out forwarder.toml"
        )
    return out.parent / MAPPINGS_FILE


def _from_folder_of(out: Path | None, path: Path) -> str:
    return os.path.relpath(path, out.parent if out else Path())


def _write(targets: dict[Path, str], *, force: bool) -> None:
    if there := [path for path in targets if path.exists() and not force]:
        raise Misconfigured(f"{there[0]} is there already; write to another file, or add --force")
    for path, text in targets.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Misconfigured(f"cannot write {path}: {error.strerror}") from None
        typer.echo(f"{path}: written", err=True)
