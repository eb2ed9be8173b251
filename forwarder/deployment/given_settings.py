"""How the settings reach the program in its task: one sink by a variable, and all else as a file in the image. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from forwarder.config.http import HttpSettings
from forwarder.config.reader import PREFIX
from forwarder.config.section import Section
from forwarder.config.settings import DEFAULT_SINK, MetricsSettings, Settings
from forwarder.config.toml_values import inline
from forwarder.deployment.database_login import FIELDS, database_login
from forwarder.deployment.place import Place
from forwarder.errors import Misconfigured

SETTINGS_FILE = "forwarder.toml"
MAPPINGS_FILE = "table-mappings.json"


def variables(settings: Settings, place: Place) -> Mapping[str, str]:
    """The variables, without secrets. ECS's health check needs the HTTP server, and CloudWatch JSON and its own metrics."""
    given = {
        f"{PREFIX}HTTP_BIND": http_bind(settings),
        f"{PREFIX}LOG_FORMAT": "json",
        f"{PREFIX}METRICS_EMF": "true",
        f"{PREFIX}METRICS_SERVICE": service(settings, place),
    }
    if alone := only_sink(settings):
        given[f"{PREFIX}SINK"] = alone
    return {**given, **database_login(settings.database, place).variables}


def http_bind(settings: Settings) -> str:
    """Where the HTTP server listens; by default, if the settings want none.

    Raises:
        Misconfigured: nobody knows its port beforehand, so that the health check would ask nobody.
    """
    addresses = settings.http.addresses or HttpSettings().addresses
    if not any(address.port for address in addresses):
        raise Misconfigured("bind in [http] has port 0, which is any; ECS's health check has to know it: write :8080")
    return ",".join(map(str, addresses))


def service(settings: Settings, place: Place) -> str:
    """What the metrics are told by: the name of the service, if the settings give no other."""
    default = MetricsSettings().service
    return settings.metrics.service if settings.metrics.service != default else place.name


def only_sink(settings: Settings) -> str | None:
    """The one sink, as FORWARDER_SINK has it; None: there is a settings file."""
    if settings_file(settings) is not None:
        return None
    (sink,) = settings.sink
    return sink.url if sink.name == DEFAULT_SINK else f"{sink.name}={sink.url}"


def settings_file(settings: Settings) -> str | None:
    """All settings but secrets, if there are more of them than one sink's URL; None: there are not."""
    sections = {
        name: own
        for name in Settings.model_fields
        if isinstance(held := getattr(settings, name), Section) and (own := _own(held))
    }
    # Variables say so in any case.
    others = (("log", "format"), ("metrics", "emf"), ("metrics", "service"), ("http", "bind"))
    for section, field in (*others, *(("database", field) for field in FIELDS)):
        sections.get(section, {}).pop(field, None)
    sections = {name: own for name, own in sections.items() if own}
    is_alone = len(settings.sink) == 1 and not _own(settings.sink[0]).keys() - {"name", "url"}
    if is_alone and not sections and not settings.table and settings.table_mappings is None:
        return None
    lines = [] if settings.table_mappings is None else [f"table_mappings = {inline(MAPPINGS_FILE)}", ""]
    for name, own in sections.items():
        lines += [f"[{name}]", *_members(own), ""]
    for rule in settings.table:
        lines += ["[[table]]", *_members(rule.model_dump(exclude_unset=True)), ""]
    for sink in settings.sink:
        lines += ["[[sink]]", *_members({"name": sink.name, **_own(sink)}), ""]
    return "\n".join(lines)


def _own(section: Section) -> dict[str, Any]:
    """The fields of a section that are not their defaults, without secrets."""
    return {
        name: value
        for name, info in type(section).model_fields.items()
        if (value := getattr(section, name)) is not None
        and value != info.get_default()
        and not isinstance(value, SecretStr)
    }


def _members(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name} = {inline(value)}" for name, value in values.items())
