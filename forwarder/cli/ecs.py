"""``forwarder ecs``: writes what it takes to run this configuration on ECS."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from forwarder import __version__
from forwarder.cli.options import ConfigOption, LogFormatOption, settings
from forwarder.config import sink_url
from forwarder.config.settings import Settings
from forwarder.config.sink_url import KinesisTarget
from forwarder.config.table_mappings.file import read_text
from forwarder.deployment.deployment import COMMANDS_FILE, files
from forwarder.deployment.place import Keys, Place, registry_of
from forwarder.deployment.secrets import require_secret
from forwarder.errors import Misconfigured

_ACCOUNT_DIGITS = 12


def ecs(
    *,
    sink: Annotated[
        list[str] | None,
        typer.Option("--sink", metavar="[NAME=]URL", help="Where records go, instead of the sinks of the settings."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write files into this folder; if not given, print all of them."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="ID", help="The AWS account; if not given, that of the image's registry."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="REGION", help="If not given, the first sink's, else that of AWS_REGION."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the service, its roles, its log and its parameters.")
    ] = "forwarder",
    cluster: Annotated[str, typer.Option("--cluster", metavar="NAME", help="The ECS cluster.")] = "forwarder",
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="URI", help="If not given, forwarder:VERSION in ECR of the account."),
    ] = None,
    cpu_architecture: Annotated[
        Literal["arm64", "x86-64"],
        typer.Option("--cpu-architecture", metavar="arm64|x86-64", help="What the image is built for."),
    ] = "arm64",
    changes_per_second: Annotated[
        int,
        typer.Option("--changes-per-second", metavar="N", min=1, help="The peak, by which the task's CPU is chosen."),
    ] = 1000,
    vpc: Annotated[
        str | None, typer.Option("--vpc", metavar="ID", help="The VPC of the subnets; the stack needs it.")
    ] = None,
    subnet: Annotated[
        list[str] | None, typer.Option("--subnet", metavar="ID", help="Where tasks run; two, in two zones.")
    ] = None,
    security_group: Annotated[
        list[str] | None, typer.Option("--security-group", metavar="ID", help="Of the tasks.")
    ] = None,
    database_security_group: Annotated[
        str | None,
        typer.Option(
            "--database-security-group", metavar="ID", help="The database's, in which the stack lets tasks in."
        ),
    ] = None,
    url_secret: Annotated[
        str | None,
        typer.Option(
            "--url-secret", metavar="ARN", help="Who has the database's URL; if not given, a parameter is made for it."
        ),
    ] = None,
    migrate_url_secret: Annotated[
        str | None,
        typer.Option("--migrate-url-secret", metavar="ARN", help="The same for migrate, which may need more rights."),
    ] = None,
    database_resource: Annotated[
        str | None,
        typer.Option(
            "--database-resource",
            metavar="ID",
            help="RDS's name for the database, db-… or cluster-…, of auth = rds-iam.",
        ),
    ] = None,
    stream_key: Annotated[
        list[str] | None, typer.Option("--stream-key", metavar="ARN", help="A KMS key of your own for the streams.")
    ] = None,
    bucket_key: Annotated[
        list[str] | None, typer.Option("--bucket-key", metavar="ARN", help="The same for buckets of large records.")
    ] = None,
    secret_key: Annotated[
        list[str] | None, typer.Option("--secret-key", metavar="ARN", help="The same for secrets and parameters.")
    ] = None,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Write task definitions, policies and commands for ECS.

    They are for this configuration: its streams, buckets and roles, and no others. Nothing is asked of AWS. What is in the settings
    that is secret is left out, and named as a parameter that ECS reads. The commands stand in commands.sh, to be run one by one in the folder;
    stack-parameters.json is for the CloudFormation stack, which makes the same (docs/ecs.md).

    \b
    Example:
      forwarder ecs --sink 'kinesis://cdc?region=eu-west-1' --account 123456789012

    \b
    Example, with sinks from forwarder.toml:
      forwarder ecs --account 123456789012 --changes-per-second 6000 --out ecs
    """
    loaded = settings(config, log_format, **({"sink": sink} if sink else {}))
    named = registry_of(image) if image else None
    account_id = account or (named.account if named else None)
    if account_id is None or not (len(account_id) == _ACCOUNT_DIGITS and account_id.isdecimal()):
        raise Misconfigured(
            "which AWS account? add --account and its 12 digits, which `aws sts get-caller-identity` tells"
        )
    within = region or _region(loaded)
    place = Place(
        account=account_id,
        region=within,
        name=name,
        cluster=cluster,
        image=image or f"{account_id}.dkr.ecr.{within}.amazonaws.com/forwarder:{__version__}",
        cpu_architecture=cpu_architecture,
        vpc=vpc,
        subnets=tuple(subnet or ()),
        security_groups=tuple(security_group or ()),
        database_security_group=database_security_group,
        url_secret=url_secret and require_secret(url_secret),
        migrate_url_secret=migrate_url_secret and require_secret(migrate_url_secret),
        database_resource=database_resource,
        keys=Keys(streams=tuple(stream_key or ()), buckets=tuple(bucket_key or ()), secrets=tuple(secret_key or ())),
    )
    mappings = read_text(loaded.table_mappings) if loaded.table_mappings else None
    texts = files(loaded, place, changes_per_second=changes_per_second, mappings=mappings)
    if out is None:
        for file, text in texts.items():
            typer.echo(f"# {file}\n{text}")
        return
    _write(out, texts, force=force)


def _region(loaded: Settings) -> str:
    """Where the streams are, else where this machine is."""
    targets = [sink_url.parse(sink.url).target for sink in loaded.sink]
    regions = [target.region for target in targets if isinstance(target, KinesisTarget) and target.region]
    found = [*regions, *(os.environ[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if name in os.environ)]
    if not found:
        raise Misconfigured("which AWS region? add --region, or ?region=… to the sink's URL")
    return found[0]


def _write(folder: Path, texts: Mapping[str, str], *, force: bool) -> None:
    if there := [folder / file for file in texts if (folder / file).exists() and not force]:
        raise Misconfigured(f"{there[0]} is there already; write to another folder, or add --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"cannot write {error.filename}: {error.strerror}") from None
    typer.echo(f"{folder}: {len(texts)} files; {COMMANDS_FILE} says what to do with them", err=True)
