"""The commands that make it run, in their order: each as it can be pasted, in the folder with the files. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from forwarder.deployment.permissions import Destination
from forwarder.deployment.place import Place
from forwarder.deployment.secrets import DATABASE_URL, Secret
from forwarder.deployment.streams import streams

_PLATFORMS = {"arm64": "linux/arm64", "x86-64": "linux/amd64"}
_SAFE = "minimumHealthyPercent=100,maximumPercent=200,deploymentCircuitBreaker={enable=true,rollback=true}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done, and by which commands."""

    title: str
    commands: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What the commands are about."""

    place: Place
    destinations: Sequence[Destination]
    secrets: Sequence[Secret]
    # By the role that the task takes for a sink, what its files are called: NAME-policy.json and NAME-trust.json.
    roles: Mapping[str, str]
    # Whether the image needs a file of settings beside what it has.
    has_settings_file: bool
    # Whether the migration calls AWS, to log in at the database.
    has_migration_role: bool


def steps(given: Ingredients) -> Iterator[Step]:
    """All steps, from the image to the service that runs."""
    place = given.place
    if place.registry:
        yield Step(title="The image, built in a clone of the project", commands=[*_image(given)])
    if made := [*_secrets(given)]:
        yield Step(title="The secrets; each is typed in and shown nowhere", commands=made)
    if made := [*_streams(given)]:
        yield Step(title="The streams, if they are not there yet", commands=made)
    yield Step(title="The log", commands=[*_log(place)])
    yield Step(title="What the task may do, and what ECS may do for it", commands=[*_roles(given)])
    for role, file in given.roles.items():
        yield Step(title=f"What {role} may do, by credentials of its account", commands=[*_role_of_sink(role, file)])
    yield Step(title="The cluster and the task definitions", commands=[*_definitions(place)])
    yield Step(title="The schema and the triggers: this ends with 0", commands=[*_migration(place)])
    yield Step(title="The service: one task leads, one stands by", commands=[_service(place)])


def release(place: Place) -> Sequence[Step]:
    """What a new release takes when all is there."""
    update = f"aws ecs update-service --cluster {place.cluster} --service {place.name} --task-definition {place.name}"
    return [
        Step(
            title="A new release: its image, both task definitions, the migration as above, then",
            commands=[f"{update} --region {place.region}"],
        )
    ]


def text(found: Sequence[Step]) -> str:
    """The steps as a script of the shell."""
    return "\n".join(f"# {step.title}\n" + "".join(f"{line}\n" for line in step.commands) for step in found)


def _image(given: Ingredients) -> Iterator[str]:
    place = given.place
    registry = place.registry
    assert registry is not None
    yield f"aws ecr create-repository --repository-name {registry.repository} --region {registry.region}"
    yield (
        f"aws ecr get-login-password --region {registry.region} | docker login --username AWS --password-stdin "
        f"{registry.host}"
    )
    build = f"docker build --platform {_PLATFORMS[place.cpu_architecture]}"
    if given.has_settings_file:
        yield f'{build} --tag forwarder "${{CLONE:?the folder of the clone}}"'
        yield f"{build} --tag {place.image} --build-arg FORWARDER=forwarder ."
    else:
        yield f'{build} --tag {place.image} "${{CLONE:?the folder of the clone}}"'
    yield f"docker push {place.image}"


def _secrets(given: Ingredients) -> Iterator[str]:
    for secret in given.secrets:
        if secret.parameter is None:
            continue
        what = (
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require"
            if secret.variable == DATABASE_URL
            else secret.variable
        )
        yield f"read -rsp {shlex.quote(f'{what}: ')} SECRET && echo"
        key = f" --key-id {given.place.keys.secrets[0]}" if given.place.keys.secrets else ""
        yield (
            f'aws ssm put-parameter --name {secret.parameter} --type SecureString --value "$SECRET"{key} '
            f"--overwrite --region {given.place.region}"
        )


def _streams(given: Ingredients) -> Iterator[str]:
    for destination in given.destinations:
        target = destination.target
        if target.role_arn is not None:
            continue
        for stream in streams(target, destination.tables):
            if not stream.startswith("arn:") and "*" not in stream and "?" not in stream:
                region = target.region or given.place.region
                yield (
                    f"aws kinesis create-stream --stream-name {stream} --stream-mode-details StreamMode=ON_DEMAND "
                    f"--region {region}"
                )


def _log(place: Place) -> Iterator[str]:
    yield f"aws logs create-log-group --log-group-name {place.log_group} --region {place.region}"
    yield f"aws logs put-retention-policy --log-group-name {place.log_group} --retention-in-days 30 --region {place.region}"


def _roles(given: Ingredients) -> Iterator[str]:
    place = given.place
    for part in ("task", "execution", *(["migration"] if given.has_migration_role else [])):
        role = f"{place.name}-{part}"
        yield f"aws iam create-role --role-name {role} --assume-role-policy-document file://trust-policy.json"
        yield f"aws iam put-role-policy --role-name {role} --policy-name forwarder --policy-document file://{part}-policy.json"


def _role_of_sink(role: str, file: str) -> Iterator[str]:
    name = role.rpartition("/")[2]
    yield f"aws iam create-role --role-name {name} --assume-role-policy-document file://{file}-trust.json"
    yield f"aws iam put-role-policy --role-name {name} --policy-name forwarder --policy-document file://{file}-policy.json"


def _definitions(place: Place) -> Iterator[str]:
    yield f"aws ecs create-cluster --cluster-name {place.cluster} --region {place.region}"
    for file in ("task-definition", "migration-definition"):
        yield f"aws ecs register-task-definition --cli-input-json file://{file}.json --region {place.region}"


def _migration(place: Place) -> Iterator[str]:
    at = f"--cluster {place.cluster} --region {place.region}"
    yield (
        f"TASK=$(aws ecs run-task {at} --task-definition {place.name}-migrate --launch-type FARGATE "
        f"--network-configuration {_network(place)} --query 'tasks[0].taskArn' --output text)"
    )
    yield f'aws ecs wait tasks-stopped {at} --tasks "$TASK"'
    yield f"""aws ecs describe-tasks {at} --tasks "$TASK" --query 'tasks[0].containers[0].exitCode'"""


def _service(place: Place) -> str:
    return (
        f"aws ecs create-service --cluster {place.cluster} --service-name {place.name} --task-definition {place.name} --desired-count 2 "
        f"--launch-type FARGATE --network-configuration {_network(place)} --deployment-configuration {shlex.quote(_SAFE)} "
        f"--region {place.region}"
    )


def _network(place: Place) -> str:
    subnets = ",".join(place.subnets or ("SUBNET_1", "SUBNET_2"))
    groups = ",".join(place.security_groups or ("SECURITY_GROUP",))
    return shlex.quote(f"awsvpcConfiguration={{subnets=[{subnets}],securityGroups=[{groups}]}}")
