"""How the task logs in at the database: what it has to be allowed for that, and whether the URL is a secret. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.aws.rds_endpoint import region_of_endpoint
from forwarder.config.database import DatabaseSettings
from forwarder.config.reader import PREFIX
from forwarder.database.url import masked, parse
from forwarder.deployment import calls
from forwarder.deployment.place import Place
from forwarder.deployment.policy import Statement
from forwarder.errors import Misconfigured

# What the variables say of it; all else of the section is in the settings file.
FIELDS = ("auth", "secret", "region", "iam_endpoint")
# Secrets Manager puts a hyphen and six characters behind a secret's name.
_SUFFIX = "-??????"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLogin:
    """What ``[database]`` means for the task."""

    # What the task itself has to be allowed.
    statements: Sequence[Statement]
    variables: Mapping[str, str]
    # Whether the URL comes from a secret; else it is among the variables.
    has_secret_url: bool


def database_login(database: DatabaseSettings, place: Place) -> DatabaseLogin:
    """How the task logs in.

    Raises:
        Misconfigured: what is needed for it is not given.
    """
    url = database.url.get_secret_value()
    given = {
        f"{PREFIX}DATABASE_{field}".upper(): str(value)
        for field in FIELDS
        if (value := getattr(database, field)) is not None and value != "password"
    }
    if database.auth == "password":
        return DatabaseLogin(statements=[], variables=given, has_secret_url=True)
    if url:
        given[f"{PREFIX}DATABASE_URL"] = _plain(url)
    if place.url_secret or place.migrate_url_secret:
        raise Misconfigured(
            f"auth = {database.auth} in [database] takes no secret with a URL; leave --url-secret and --migrate-url-secret out"
        )
    reach = _connecting(database, url, place) if database.auth == "rds-iam" else _reading(database, place)
    return DatabaseLogin(statements=reach, variables=given, has_secret_url=False)


def _plain(url: str) -> str:
    """The URL, which everybody may read who may see the task definition."""
    if masked(url) != url:
        raise Misconfigured(
            "FORWARDER_DATABASE_URL has a password, which auth in [database] has no use for; leave it out"
        )
    return url


def _connecting(database: DatabaseSettings, url: str, place: Place) -> Sequence[Statement]:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html"""
    parameters = parse(url).parameters if url else {}
    if not parameters.get("user"):
        raise Misconfigured(
            "auth = rds-iam in [database]: name the role in FORWARDER_DATABASE_URL: postgresql://ROLE@HOST:5432/DATABASE"
        )
    if place.database_resource is None:
        raise Misconfigured(
            "auth = rds-iam in [database]: which database? add --database-resource and RDS's name for it, db-… or cluster-…: `aws rds "
            "describe-db-instances --query 'DBInstances[].[DBInstanceIdentifier,DbiResourceId]'`, or describe-db-clusters and DbClusterResourceId"
        )
    host = (database.iam_endpoint or parameters.get("host", "")).partition(":")[0].lower()
    region = database.region or region_of_endpoint(host) or place.region
    user = place.arn("rds-db", f"dbuser:{place.database_resource}/{parameters['user']}", region=region)
    return [Statement(sid="LogInAtTheDatabase", actions=calls.DATABASE_USER, resources=[user])]


def _reading(database: DatabaseSettings, place: Place) -> Sequence[Statement]:
    secret = database.secret or ""
    arn = (
        secret
        if secret.startswith("arn:")
        else place.arn("secretsmanager", f"secret:{secret}{_SUFFIX}", region=database.region)
    )
    reading = Statement(sid="ReadTheDatabaseLogin", actions=calls.SECRET, resources=[arn])
    keys = place.keys.secrets
    decrypting = Statement(sid="DecryptTheDatabaseLogin", actions=calls.SECRET_KEY, resources=keys)
    return [reading, decrypting] if keys else [reading]
