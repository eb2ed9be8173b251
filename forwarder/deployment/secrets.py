"""Which settings are secrets, and where in AWS each is kept: in a SecureString parameter, or in a secret that is there already. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from forwarder.config.reader import PREFIX
from forwarder.config.section import Section
from forwarder.config.settings import Settings
from forwarder.deployment import calls
from forwarder.deployment.database_login import database_login
from forwarder.deployment.place import Place
from forwarder.deployment.policy import Statement
from forwarder.errors import Misconfigured

DATABASE_URL = f"{PREFIX}DATABASE_URL"
HTTP_TOKEN = f"{PREFIX}HTTP_TOKEN"

# arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX, with :KEY:STAGE:VERSION behind it for one member of its JSON.
_SECRET_PARTS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A variable that ECS fills from a secret."""

    variable: str
    # As the task definition has it.
    value_from: str
    # The name of the parameter that is to be made; None: it is there.
    parameter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The secrets of the two commands."""

    listen: Sequence[Secret]
    migrate: Sequence[Secret]


def secrets(settings: Settings, place: Place) -> Secrets:
    """The secrets of this configuration. ``migrate`` has no HTTP server, and may have a URL of its own."""
    has_url = database_login(settings.database, place).has_secret_url
    variables = [variable for variable in _variables(settings) if has_url or variable != DATABASE_URL]
    listen = [_secret(variable, place, place.url_secret) for variable in variables]
    url = _secret(DATABASE_URL, place, place.migrate_url_secret or place.url_secret)
    return Secrets(listen=listen, migrate=[url] if has_url else [])


def reading(found: Secrets, place: Place) -> Iterator[Statement]:
    """What ECS has to be allowed, so that it fills the variables."""
    arns = {_resource(secret.value_from) for secret in (*found.listen, *found.migrate)}
    in_manager = sorted(arn for arn in arns if arn.split(":")[2] == "secretsmanager")
    parameters = sorted(arns.difference(in_manager))
    if in_manager:
        yield Statement(sid="ReadTheSecrets", actions=calls.SECRET, resources=in_manager)
    if parameters:
        yield Statement(sid="ReadTheParameters", actions=calls.PARAMETER, resources=parameters)
    if arns and place.keys.secrets:
        yield Statement(sid="DecryptTheSecrets", actions=calls.SECRET_KEY, resources=place.keys.secrets)


def require_secret(arn: str) -> str:
    """Make sure that this is the ARN of a secret or a parameter.

    Raises:
        Misconfigured: it is not.
    """
    parts = arn.split(":")
    kinds = {"secretsmanager": "secret", "ssm": "parameter"}
    if len(parts) < 6 or parts[0] != "arn" or not parts[5].startswith(kinds.get(parts[2], "?")):
        raise Misconfigured(
            f"{arn!r} is the ARN of no secret; write arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX or "
            "arn:aws:ssm:REGION:ACCOUNT:parameter/NAME"
        )
    return arn


def _variables(settings: Settings) -> Iterator[str]:
    """The variables that are secrets and are set. The URL always is: without it there is nothing to do."""
    for section in Settings.model_fields:
        held = getattr(settings, section)
        if not isinstance(held, Section):
            continue
        for field in type(held).model_fields:
            value, variable = getattr(held, field), f"{PREFIX}{section}_{field}".upper()
            if isinstance(value, SecretStr) and (value.get_secret_value() or variable == DATABASE_URL):
                yield variable


def _secret(variable: str, place: Place, url_secret: str | None) -> Secret:
    if variable == DATABASE_URL and url_secret is not None:
        return Secret(variable=variable, value_from=url_secret)
    parameter = f"/{place.name}/{variable.removeprefix(PREFIX).lower().replace('_', '-')}"
    return Secret(variable=variable, value_from=place.arn("ssm", f"parameter{parameter}"), parameter=parameter)


def _resource(value_from: str) -> str:
    """The ARN without the member of the secret's JSON."""
    if value_from.split(":")[2] == "ssm":
        return value_from
    return ":".join(value_from.split(":")[:_SECRET_PARTS])
