"""The settings: what each means, its default and its bounds, read once from a TOML file, the environment and flags."""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from forwarder.errors import Misconfigured
from forwarder.rights import CAPTURE_ROLE
from forwarder.suggestions import nearest
from forwarder.waking import Wake

DEFAULT_FILE = Path("forwarder.toml")
PREFIX = "FORWARDER_"

# The name of a sink that is not given any.
DEFAULT_SINK = "default"
_SINK_NAME = r"[A-Za-z0-9_.-]{1,63}"
_NAMED_URL = re.compile(rf"({_SINK_NAME})=(.+)")
# Below, a busy system would lap the ring between two rounds of the janitor; above, closing a leaf takes too long.
MIN_LEAF_EVENTS = 1 << 10
MAX_LEAF_EVENTS = 1 << 24

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Section(BaseModel):
    """A table of the TOML file. Unknown keys are errors; a value never shows in a message, since it may be a password."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DatabaseSettings(Section):
    """``[database]``: where the rows are."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL connection URL; what it leaves out comes from libpq's variables (PGHOST, PGUSER, …).",
    )
    wake: Wake = Field(
        default="auto",
        description="doorbell: writers notify the sleeping listener, for latencies of milliseconds. poll: nobody ever "
        "notifies, as two-phase commit needs; the latency is poll_interval_seconds. auto: the doorbell where "
        "max_prepared_transactions is 0, so that nobody can prepare a transaction; else a look every 100 ms.",
    )
    poll_interval_seconds: Seconds = Field(
        default=5.0,
        description="The longest the listener sleeps without looking; the whole latency under wake = poll.",
    )
    capture_role: str = Field(
        default=CAPTURE_ROLE,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.@-]{0,55}$",
        description="The role that owns the trigger function and may only fill the outbox; made by `forwarder migrate` if it may, with a second "
        "one of this name and `_images`, which may do nothing. "
        "Databases with different owners in one cluster need one each.",
    )


class TableRule(Section):
    """One ``[[table]]``: which tables to capture, and how."""

    match: str = Field(min_length=1, description="A table, or a glob such as public.*; schema public if it names none.")
    exclude: list[str] = Field(default=[], description="Tables or globs to leave out of this rule's match.")
    before: Literal["full", "none"] = Field(
        default="full",
        description="Whether an update keeps the old row: full costs the writer about 3 µs a row and doubles the record.",
    )


class SinkSettings(Section):
    """One ``[[sink]]``: where the records go."""

    name: str = Field(
        default=DEFAULT_SINK, pattern=f"^{_SINK_NAME}$", description="The name its position is kept under."
    )
    url: str = Field(min_length=1, description="kinesis://STREAM?region=…, stdout: or file:PATH.")
    tables: list[str] = Field(
        default=[], description="Tables or globs whose changes it is for; empty for all that are captured."
    )
    start: Literal["now", "oldest"] | None = Field(
        default=None,
        description="Where a new sink begins: with the oldest retained change, or with what is committed from now on. Not "
        "given: oldest for the first sink of a database, now for one that is added.",
    )


class ListenSettings(Section):
    """``[listen]``: how much may be under way at once."""

    stop_timeout_seconds: Seconds = Field(
        default=25.0, description="How long what is in flight may take after SIGTERM; keep it under ECS's stopTimeout."
    )
    page_rows: int = Field(
        default=4000, ge=1, le=50_000, description="Rows read in one statement: larger is faster, smaller is leaner."
    )
    page_bytes: int = Field(
        default=4 << 20,
        ge=1 << 16,
        le=1 << 28,
        description="Bytes of row images read in one statement, divided between the sinks, but 1 MiB at least.",
    )
    max_events: int = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Events in memory; a restart after a crash repeats those that were delivered since the last save.",
    )
    max_bytes: int = Field(
        default=32 << 20,
        ge=1 << 20,
        le=1 << 32,
        description="Bytes of records in memory, divided between the sinks; two pages a sink may come on top.",
    )
    max_in_flight: int = Field(default=16, ge=1, le=256, description="Requests to the sink under way at once.")
    checkpoint_interval_seconds: Seconds = Field(
        default=0.3, description="How often the position is saved: shorter means fewer repeats after a crash."
    )


class OutboxSettings(Section):
    """``[outbox]``: how long changes are kept, and when there are too many of them."""

    retention_seconds: float = Field(
        default=86_400.0,
        ge=0,
        le=366 * 86_400,
        description="How long a delivered change is kept, for replay, if the ring is large enough; on a quiet system it stays "
        "up to a quarter longer. 0: no longer than it takes every sink to deliver it.",
    )
    leaf_events: int | None = Field(
        default=None,
        ge=MIN_LEAF_EVENTS,
        le=MAX_LEAF_EVENTS,
        description="Changes in each of the ring's eight leaves, a power of two, made so by `forwarder migrate`; 262144 at "
        "first, then as it is. Larger keeps more history on a busy system and takes more disk.",
    )
    warn_bytes: int = Field(
        default=10 << 30, ge=1 << 20, description="Warn while the outbox takes more than this on disk."
    )
    max_bytes: int | None = Field(
        default=None,
        ge=1 << 20,
        description="Above this size on disk the retention is given up, and then on_outbox_full counts.",
    )
    on_outbox_full: Literal["keep", "pause-capture"] = Field(
        default="keep",
        description="Above max_bytes of undelivered changes. keep: the disk fills. pause-capture: changes are not captured until "
        "it is four fifths, and are lost to the sinks; records of kind gap say so.",
    )
    warn_age_seconds: float = Field(
        default=300.0, gt=0, description="Warn while a sink has not delivered a change for longer than this."
    )

    @field_validator("leaf_events")
    @classmethod
    def _power_of_two(cls, value: int | None) -> int | None:
        if value is not None and value & (value - 1):
            lower = 1 << (value.bit_length() - 1)
            raise PydanticCustomError("power_of_two", f"not a power of two; the nearest are {lower} and {2 * lower}")
        return value


class CaptureSettings(Section):
    """``[capture]``: what the triggers keep of a change."""

    max_image_bytes: int | None = Field(
        default=None,
        ge=1 << 16,
        le=1 << 29,
        description="Above so many bytes of row images a change is captured without them, with fault 54000; made so by `forwarder "
        "migrate`; 67108864 at first, then as it is. A write takes several times as much of the server's memory.",
    )


class HttpSettings(Section):
    """``[http]``: the health checks of ``listen``."""

    bind: str = Field(
        default="127.0.0.1:8080",
        pattern=r"^$|^[^\s]+:\d{1,5}$",
        description="Address and port, or empty for no HTTP server. Health checks hold no row values.",
    )


class LogSettings(Section):
    """``[log]``."""

    format: Literal["text", "json"] = Field(default="text", description="text for people, json for machines.")


class Settings(Section):
    """Everything a command may need."""

    database: DatabaseSettings = DatabaseSettings()
    table: list[TableRule] = []
    capture: CaptureSettings = CaptureSettings()
    sink: list[SinkSettings] = []
    listen: ListenSettings = ListenSettings()
    outbox: OutboxSettings = OutboxSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    @field_validator("sink")
    @classmethod
    def _names_are_unique(cls, sinks: list[SinkSettings]) -> list[SinkSettings]:
        name, count = max(Counter(sink.name for sink in sinks).items(), key=itemgetter(1), default=("", 0))
        if count > 1:
            raise ValueError(
                f"{count} sinks are named {name!r}; give each a name of its own, since its position is kept under it"
            )
        return sinks


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
    named = path or (Path(environment["FORWARDER_CONFIG"]) if "FORWARDER_CONFIG" in environment else None)
    source = named or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    values = _read(source) if source else {}
    _overlay(values, _from_environment(environment))
    _overlay(values, flags or {})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise Misconfigured(_first_problem(error, source)) from None


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
    known = environment_names()
    values: dict[str, Any] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == "FORWARDER_CONFIG":
            continue
        if name == "FORWARDER_SINK":
            values["sink"] = [environment[name]]
        elif name in known:
            section, field = known[name]
            values.setdefault(section, {})[field] = environment[name]
        else:
            hint = nearest(name, (*known, "FORWARDER_SINK", "FORWARDER_CONFIG"))
            raise Misconfigured(f"environment variable {name} is unknown; {hint}")
    return values


def _overlay(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for name, value in over.items():
        if name == "sink":
            values[name] = _with_urls(values.get(name, []), value)
        elif isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _overlay(values[name], value)
        else:
            values[name] = value


def _with_urls(sinks: Any, urls: Sequence[str]) -> Any:
    """The sinks with these URLs instead of the file's, each ``URL`` or ``NAME=URL``.

    The name is what a sink's position is kept under: it and all else that the file says of that sink stay.
    """
    if not (isinstance(sinks, list) and all(isinstance(sink, dict) for sink in sinks)):
        # Not what the file should hold; validation will say so.
        return sinks
    by_name = {sink.get("name", DEFAULT_SINK): sink for sink in sinks}
    only_name = next(iter(by_name)) if len(by_name) == 1 else DEFAULT_SINK
    named = [_named(url, default=only_name) for url in urls]
    return [{**by_name.get(name, {}), "name": name, "url": url} for name, url in named]


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
    model: Any = Settings
    for part in problem["loc"][:-1]:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = getattr(annotation, "__args__", (annotation,))[0]
    return tuple(model.model_fields)
