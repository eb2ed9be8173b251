"""What ``deploy/cloudformation/forwarder.yaml`` has to be told, and Terraform by the same names, for one configuration. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.config.reader import PREFIX
from forwarder.config.settings import Settings
from forwarder.deployment.database_login import database_login
from forwarder.deployment.given_settings import http_bind, only_sink, service
from forwarder.deployment.place import Place
from forwarder.deployment.policy import Statement
from forwarder.deployment.secrets import DATABASE_URL, HTTP_TOKEN, Secrets
from forwarder.deployment.task_definition import ARCHITECTURES, migrate_command, stop_seconds
from forwarder.deployment.task_size import TaskSize

# By a statement of the policies, the parameter that has its resources.
_RESOURCES = {
    "WriteToTheStreams": "StreamArns",
    "EncryptWhatIsInTheStreams": "StreamKeyArns",
    "StoreWhatIsTooLargeForAStream": "ObjectArns",
    "SeeThatTheBucketsAreThere": "BucketArns",
    "EncryptWhatIsInTheBuckets": "BucketKeyArns",
    "TakeTheRolesOfSinks": "RoleArns",
    "ReadTheSecrets": "SecretArns",
    "ReadTheParameters": "ParameterArns",
    "DecryptTheSecrets": "SecretKeyArns",
    "DecryptTheDatabaseLogin": "SecretKeyArns",
    "LogInAtTheDatabase": "DatabaseUserArn",
    "ReadTheDatabaseLogin": "DatabaseSecretArn",
    "PullTheImage": "RepositoryArn",
}


def stack_parameters(
    settings: Settings, place: Place, *, size: TaskSize, secrets: Secrets, statements: Sequence[Statement]
) -> Sequence[Mapping[str, str]]:
    """As ``aws cloudformation deploy --parameter-overrides file://…`` reads them; ``statements``: those of both policies.

    The lists of resources may be empty: nothing is allowed then.
    """
    plain = database_login(settings.database, place).variables
    urls = {secret.variable: secret.value_from for secret in secrets.listen}
    resources = {statement.sid: ",".join(sorted(set(statement.resources))) for statement in statements}
    given = {
        "Image": place.image,
        "CpuArchitecture": ARCHITECTURES[place.cpu_architecture],
        "Cpu": str(size.cpu),
        "Memory": str(size.memory_mib),
        "StopTimeout": str(stop_seconds(settings)),
        "HttpBind": http_bind(settings),
        "Sink": only_sink(settings) or "",
        "SinkName": settings.sink[0].name,
        "MetricsNamespace": settings.metrics.namespace,
        "MetricsService": service(settings, place),
        "MigrateCommand": ",".join(migrate_command(settings)),
        "DatabaseUrl": urls.get(DATABASE_URL, ""),
        "DatabaseAuth": settings.database.auth,
        **{
            parameter: plain.get(f"{PREFIX}DATABASE_{field}", "")
            for field, parameter in (
                ("URL", "PlainDatabaseUrl"),
                ("SECRET", "DatabaseSecret"),
                ("REGION", "DatabaseRegion"),
                ("IAM_ENDPOINT", "DatabaseIamEndpoint"),
            )
        },
        "MigrationDatabaseUrl": next(
            (secret.value_from for secret in secrets.migrate if secret.variable == DATABASE_URL), ""
        ),
        "HttpToken": urls.get(HTTP_TOKEN, ""),
        **({"VpcId": place.vpc} if place.vpc else {}),
        **({"SubnetIds": ",".join(place.subnets)} if place.subnets else {}),
        "DatabaseSecurityGroupId": place.database_security_group or "",
        **dict.fromkeys(_RESOURCES.values(), ""),
        **{_RESOURCES[sid]: arns for sid, arns in resources.items() if sid in _RESOURCES},
    }
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
