"""Reads the settings from a TOML file, the environment and flags, and says in one line what is wrong with them."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from forwarder.config.section import Section
from forwarder.config.settings import DEFAULT_SINK, SINK_NAME, Settings
from forwarder.config.suggestions import nearest
from forwarder.config.texts import unsound
from forwarder.errors import Misconfigured

DEFAULT_FILE = Path("forwarder.toml")
PREFIX = "FORWARDER_"
TABLE_MAPPINGS = f"{PREFIX}TABLE_MAPPINGS"

_NAMED_URL = re.compile(rf"({SINK_NAME})=(.+)")


def load(
    environment: Mapping[str, str] = os.environ, *, path: Path | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings: the file, then the environment over it, then flags over both.

    Args:
        path: the TOML file; ``FORWARDER_CONFIG``, else ``forwarder.toml`` if there is one, when not given.
        flags: values by section and field, such as ``{"log": {"format": "json"}}``.

    Raises:
        Misconfigured: a file that cannot be read, an unknown name, or a value out of bounds.
    """
    given = read(environment, path=path)
    values = given.file
    _overlay(values, given.environment)
    _overlay(values, flags or {})
    if problem := unsound(values):
        raise Misconfigured(f"setting {problem}")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise Misconfigured(_first_problem(error, given.path)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the file and the environment say, unchecked, by section and field."""

    # The file; None: there is none.
    path: Path | None
    file: dict[str, Any]
    # The sinks are texts here: `URL` or `NAME=URL`.
    environment: dict[str, Any]


def read(environment: Mapping[str, str] = os.environ, *, path: Path | None = None) -> Given:
    """Read the file that ``load`` reads, and the environment.

    Raises:
        Misconfigured: a file that cannot be read, or a variable that is unknown.
    """
    named = path or (Path(environment["FORWARDER_CONFIG"]) if "FORWARDER_CONFIG" in environment else None)
    source = named or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    values = _read(source) if source else {}
    if source:
        _from_folder(values, source.parent)
    return Given(path=source, file=values, environment=_from_environment(environment))


def _from_folder(values: dict[str, Any], folder: Path) -> None:
    """Paths in a settings file are from the folder that it is in."""
    for section, field in ((values, "table_mappings"), (values.get("database"), "password_file")):
        if isinstance(section, dict) and isinstance(named := section.get(field), str):
            section[field] = folder / named


def environment_names() -> dict[str, tuple[str, str]]:
    """Every variable that sets a field, such as ``FORWARDER_LISTEN_PAGE_ROWS``, with its section and field."""
    return {
        f"{PREFIX}{section}_{field}".upper(): (section, field)
        for section, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
        for field in info.annotation.model_fields
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}; check --config or FORWARDER_CONFIG") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is not valid TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The values that variables set, by section and field."""
    known = environment_names()
    values: dict[str, Any] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == "FORWARDER_CONFIG":
            continue
        if name == "FORWARDER_SINK":
            values["sink"] = [environment[name]]
        elif name == TABLE_MAPPINGS:
            values["table_mappings"] = environment[name]
        elif name in known:
            section, field = known[name]
            values.setdefault(section, {})[field] = environment[name]
        else:
            hint = nearest(name, (*known, "FORWARDER_SINK", TABLE_MAPPINGS, "FORWARDER_CONFIG"))
            raise Misconfigured(f"environment variable {name} is unknown; {hint}")
    return values


def _overlay(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Put the values of ``over`` into ``values``, section by section."""
    for name, value in over.items():
        if name == "sink":
            values[name] = _with_urls(values.get(name, []), value)
        elif isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _overlay(values[name], value)
        else:
            values[name] = value


def _with_urls(sinks: Any, urls: Sequence[str]) -> Any:
    """The sinks to serve instead of the file's: those of these URLs, each ``URL`` or ``NAME=URL``.

    A sink keeps all else that the file says of the one with its name. ``URL`` alone is for the file's only sink, or else for the sink ``default``.
    """
    if not (isinstance(sinks, list) and all(isinstance(sink, dict) for sink in sinks)):
        # The file is wrong; validation will say how.
        return sinks
    by_name = {sink.get("name", DEFAULT_SINK): sink for sink in sinks}
    only_name = next(iter(by_name)) if len(by_name) == 1 else DEFAULT_SINK
    given = [_named(url, default=only_name) for url in urls]
    return [{**by_name.get(name, {}), "name": name, "url": url} for name, url in given]


def _named(url: str, *, default: str) -> tuple[str, str]:
    found = _NAMED_URL.fullmatch(url)
    return (found[1], found[2]) if found else (default, url)


def _first_problem(error: ValidationError, source: Path | None) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    origin = f"{source} or the environment" if source else "the environment or a flag"
    if problem["type"] == "extra_forbidden":
        return f"setting {where} in {origin} is unknown; {nearest(str(problem['loc'][-1]), _siblings(problem))}"
    return f"setting {where} in {origin}: {_said(problem['msg'])}"


def _said(message: str) -> str:
    """A message of pydantic as part of a sentence."""
    own = message.removeprefix("Value error, ")
    return own[:1].lower() + own[1:]


def _siblings(problem: ErrorDetails) -> tuple[str, ...]:
    """The names that are known where the problem's name is unknown."""
    model: Any = Settings
    for part in problem["loc"][:-1]:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = getattr(annotation, "__args__", (annotation,))[0]
    return tuple(model.model_fields)
