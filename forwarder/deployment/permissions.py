"""What the task may do, what ECS may do for it, and what a role that it takes may do: exactly what this configuration needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from forwarder.config import sink_url
from forwarder.config.settings import Settings
from forwarder.config.sink_url import KinesisTarget
from forwarder.deployment import calls
from forwarder.deployment.database_login import DatabaseLogin
from forwarder.deployment.place import Place
from forwarder.deployment.policy import Statement
from forwarder.deployment.secrets import Secrets, reading
from forwarder.deployment.streams import stream_arns
from forwarder.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A sink at Kinesis, and the tables that it may be sent."""

    name: str
    target: KinesisTarget
    # Names and globs; none: any.
    tables: Sequence[str]


def destinations(settings: Settings) -> Sequence[Destination]:
    """The sinks of this configuration that write to Kinesis.

    Raises:
        Misconfigured: there is no sink, or one that a task has no place or no credentials for.
    """
    if not settings.sink:
        raise Misconfigured("no sink: set FORWARDER_SINK, or add a [[sink]] with a url")
    # Table mappings may call tables otherwise than the patterns of a [[table]] do.
    captured = [] if settings.table_mappings else [rule.match for rule in settings.table]
    found = []
    for sink in settings.sink:
        target = sink_url.parse(sink.url).target
        if isinstance(target, sink_url.FileTarget):
            raise Misconfigured(f"sink {sink.name} writes a file, and a task has no disk that stays; name a stream")
        if isinstance(target, KinesisTarget):
            if target.profile is not None:
                raise Misconfigured(
                    f"sink {sink.name} names a profile, and a task has none; leave profile out, or write role_arn=…"
                )
            found.append(Destination(name=sink.name, target=target, tables=sink.tables or captured))
    return found


def of_task(found: Sequence[Destination], login: DatabaseLogin, place: Place) -> Sequence[Statement]:
    """What the program does in its own name."""
    roles = [destination.target.role_arn for destination in found if destination.target.role_arn is not None]
    own = [destination for destination in found if destination.target.role_arn is None]
    taking = [Statement(sid="TakeTheRolesOfSinks", actions=calls.ROLE, resources=roles)] if roles else []
    return [*login.statements, *_of_sinks(own, place), *taking]


def of_roles(found: Sequence[Destination], place: Place) -> Mapping[str, Sequence[Statement]]:
    """By its ARN, what each role does that the task takes for a sink."""
    roles = {destination.target.role_arn: None for destination in found if destination.target.role_arn is not None}
    return {
        role: [*_of_sinks([destination for destination in found if destination.target.role_arn == role], place)]
        for role in roles
    }


def of_execution(found: Secrets, place: Place) -> Sequence[Statement]:
    """What ECS does before the program starts: it pulls the image, fills the secrets, and opens the log."""
    return [*reading(found, place), *_pulling(place), _logging(place)]


def _of_sinks(found: Sequence[Destination], place: Place) -> Iterator[Statement]:
    if found:
        arns = [arn for destination in found for arn in stream_arns(destination.target, destination.tables, place)]
        yield Statement(sid="WriteToTheStreams", actions=calls.STREAM, resources=arns)
    if found and place.keys.streams:
        yield Statement(sid="EncryptWhatIsInTheStreams", actions=calls.STREAM_KEY, resources=place.keys.streams)
    attachments = [target for _, target in _attaching(found)]
    if attachments:
        arns = [f"arn:{place.partition}:s3:::{target.oversize.bucket}" for target in attachments]
        objects = [f"{arn}/{target.oversize.prefix}*" for arn, target in zip(arns, attachments, strict=True)]
        yield Statement(sid="StoreWhatIsTooLargeForAStream", actions=calls.OBJECTS, resources=objects)
        yield Statement(sid="SeeThatTheBucketsAreThere", actions=calls.BUCKET, resources=arns)
    if attachments and place.keys.buckets:
        yield Statement(sid="EncryptWhatIsInTheBuckets", actions=calls.BUCKET_KEY, resources=place.keys.buckets)


def _attaching(found: Sequence[Destination]) -> Iterator[tuple[str, KinesisTarget]]:
    for destination in found:
        if destination.target.oversize.kind == "s3":
            yield destination.name, destination.target


def _pulling(place: Place) -> Iterator[Statement]:
    """An image that is not at ECR is pulled without a permission."""
    if registry := place.registry:
        repository = place.arn(
            "ecr", f"repository/{registry.repository}", account=registry.account, region=registry.region
        )
        yield Statement(sid="LogInToTheRegistry", actions=calls.REGISTRY, resources=["*"])
        yield Statement(sid="PullTheImage", actions=calls.IMAGE, resources=[repository])


def _logging(place: Place) -> Statement:
    streams = place.arn("logs", f"log-group:{place.log_group}:log-stream:*")
    return Statement(sid="WriteTheLogs", actions=calls.LOGS, resources=[streams])
