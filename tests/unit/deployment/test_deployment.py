from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from forwarder.config.settings import Settings
from forwarder.deployment.place import Place
from forwarder.deployment.secrets import require_secret
from forwarder.deployment.task_size import task_size
from forwarder.errors import Misconfigured
from tests.support.deployments import (
    CONFIGURATIONS,
    OTHER_ACCOUNT,
    PLACE,
    REGION,
    ROLE,
    URL_SECRET,
    Configuration,
    key,
    sink,
)

KINESIS = f"kinesis://changes?region={REGION}"


def allowed(configuration: Configuration, file: str) -> dict[str, list[str]]:
    """By action, the resources that a policy has for it."""
    return {
        action: statement["Resource"]
        for statement in configuration.document(file)["Statement"]
        for action in statement["Action"]
        if not action.startswith("kms:")
    }


def test_one_stream_is_written_to_and_no_other() -> None:
    stream = [f"arn:aws:kinesis:{REGION}:123456789012:stream/changes"]
    actions = ("kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecords")
    assert allowed(CONFIGURATIONS["one stream"], "task-policy.json") == dict.fromkeys(actions, stream)


def test_objects_are_put_below_the_prefix_alone() -> None:
    found = allowed(CONFIGURATIONS["large records in an encrypted bucket"], "task-policy.json")
    assert found["s3:PutObject"] == ["arn:aws:s3:::large-changes/big/*"]
    assert found["s3:ListBucket"] == ["arn:aws:s3:::large-changes"]


def test_each_key_is_for_what_it_encrypts() -> None:
    configuration = CONFIGURATIONS["large records in an encrypted bucket"]
    keys = {
        (statement["Resource"][0], *statement["Action"])
        for file in ("task-policy.json", "execution-policy.json")
        for statement in configuration.document(file)["Statement"]
        if statement["Resource"][0].startswith("arn:aws:kms:")
    }
    assert keys == {
        (key("streams"), "kms:GenerateDataKey"),
        (key("buckets"), "kms:Decrypt", "kms:GenerateDataKey"),
        (key("secrets"), "kms:Decrypt"),
    }


def test_a_role_of_another_account_has_the_stream_and_the_task_has_the_role() -> None:
    configuration = CONFIGURATIONS["a stream in another account"]
    assert allowed(configuration, "task-policy.json") == {"sts:AssumeRole": [ROLE]}
    stream = f"arn:aws:kinesis:{REGION}:{OTHER_ACCOUNT}:stream/changes"
    assert allowed(configuration, "sink-role-1-policy.json")["kinesis:PutRecords"] == [stream]
    (trusted,) = configuration.document("sink-role-1-trust.json")["Statement"]
    assert trusted["Principal"] == {"AWS": "arn:aws:iam::123456789012:role/forwarder-task"}
    assert trusted["Condition"] == {"StringEquals": {"sts:ExternalId": "ours"}}


def test_a_secret_that_is_there_is_read_whole_though_the_task_wants_a_member_of_it() -> None:
    configuration = CONFIGURATIONS["large records in an encrypted bucket"]
    assert allowed(configuration, "execution-policy.json")["secretsmanager:GetSecretValue"] == [URL_SECRET]


def test_an_image_that_is_not_at_ecr_takes_no_permission() -> None:
    found = allowed(CONFIGURATIONS["a stream in another account"], "execution-policy.json")
    assert not [action for action in found if action.startswith("ecr:")]


def test_the_migration_calls_aws_only_to_log_in_at_the_database() -> None:
    for name, configuration in CONFIGURATIONS.items():
        texts, logs_in = configuration.texts(), name.startswith("a login")
        assert ("taskRoleArn" in texts["migration-definition.json"]) == logs_in
        assert ("migration-policy.json" in texts) == logs_in
    by_token = allowed(CONFIGURATIONS["a login by IAM"], "migration-policy.json")
    user = f"arn:aws:rds-db:{REGION}:123456789012:dbuser:db-ABCDEFGH/streamer"
    assert by_token == {"rds-db:connect": [user]}
    by_secret = allowed(CONFIGURATIONS["a login by a secret of RDS"], "migration-policy.json")
    assert by_secret == {"secretsmanager:GetSecretValue": [URL_SECRET]}


def test_a_secret_that_has_only_a_name_is_found_whatever_its_suffix() -> None:
    settings = {"database": {"url": "", "auth": "secrets-manager", "secret": "app"}, "sink": [sink(KINESIS)]}
    found = allowed(Configuration(settings=settings), "task-policy.json")
    assert found["secretsmanager:GetSecretValue"] == [f"arn:aws:secretsmanager:{REGION}:123456789012:secret:app-??????"]


def test_what_variables_cannot_say_goes_into_the_image() -> None:
    given: dict[str, Any] = {
        "table": [{"match": "public.*", "exclude": ["public.drafts"]}],
        "listen": {"max_in_flight": 4},
        "sink": [sink(KINESIS, name="a"), sink(KINESIS, name="b", tables=["public.orders"])],
    }
    texts = Configuration(settings=given).texts()
    assert tomllib.loads(texts["forwarder.toml"]) == given
    assert "COPY forwarder.toml /etc/forwarder/" in texts["Dockerfile"]
    assert "FORWARDER_SINK" not in texts["task-definition.json"]


def test_one_sink_needs_no_file() -> None:
    texts = Configuration(settings={"sink": [sink(KINESIS)], "log": {"format": "text"}}).texts()
    assert "Dockerfile" not in texts
    assert KINESIS in texts["task-definition.json"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "no sink"),
        ({"sink": [sink("file:/tmp/x")]}, "no disk"),
        ({"sink": [sink(f"{KINESIS}&profile=me")]}, "profile"),
        ({"sink": [sink(KINESIS)], "database": {"url": "postgresql://db/app", "auth": "rds-iam"}}, "name the role"),
        ({"sink": [sink(KINESIS)], "database": {"url": "postgresql://me@db/app", "auth": "rds-iam"}}, "which database"),
        ({"sink": [sink(KINESIS)], "database": {"url": "postgresql://me:p@db/app", "auth": "rds-iam"}}, "a password"),
        ({"sink": [sink(KINESIS)], "http": {"bind": ":0"}}, "port 0"),
        ({"sink": [sink(KINESIS)], "listen": {"stop_timeout_seconds": 116}}, "120"),
    ],
)
def test_what_a_task_cannot_do_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        Configuration(settings=settings).texts()


def size(*, changes: int, **settings: Any) -> tuple[int, int]:
    loaded = Settings.model_validate({"sink": [sink(KINESIS)], **settings})
    found = task_size(loaded, changes_per_second=changes)
    return found.cpu, found.memory_mib


def test_a_task_is_as_large_as_the_changes_and_the_memory_want_it() -> None:
    assert size(changes=1000) == (256, 512)
    assert size(changes=5001) == (512, 1024)
    assert size(changes=20_000) == (1024, 2048)
    assert size(changes=100, listen={"max_bytes": 1 << 30}) == (256, 2048)
    assert size(changes=100, listen={"max_bytes": 3 << 30}) == (512, 4096)
    with pytest.raises(Misconfigured, match="divide the tables"):
        size(changes=25_001)


def test_secrets_are_told_by_their_arns() -> None:
    for arn in (URL_SECRET, f"{URL_SECRET}:url::", f"arn:aws:ssm:{REGION}:123456789012:parameter/forwarder/url"):
        assert require_secret(arn) == arn
    for other in ("forwarder", ROLE, "arn:aws:ssm:eu-west-1"):
        with pytest.raises(Misconfigured, match="no secret"):
            require_secret(other)


def test_arns_are_of_the_region_s_partition() -> None:
    for region, partition in (("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("us-east-1", "aws")):
        place: Place = replace(PLACE, region=region)
        assert place.role("task").startswith(f"arn:{partition}:iam::123456789012:role/")


def test_the_commands_name_every_file_of_json_but_that_of_the_stack() -> None:
    for configuration in CONFIGURATIONS.values():
        texts = configuration.texts()
        named = {name for name in texts if f"file://{name}" in texts["commands.sh"]}
        assert named == {name for name in texts if name.endswith(".json")} - {"stack-parameters.json"}
