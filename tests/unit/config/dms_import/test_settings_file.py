"""A task of DMS as a settings file: what each setting became, and what has no counterpart."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from hypothesis import given

from forwarder.config import sink_url
from forwarder.config.dms_import.description import described
from forwarder.config.dms_import.settings_file import settings_file
from forwarder.config.formats import Dms
from forwarder.config.settings import Settings
from forwarder.errors import Misconfigured
from tests.described import ARN, ROLE, STREAM, endpoints, source, target, task, tasks
from tests.mapped import ARTICLE, numbered, object_mapping, selection, transformation
from tests.mutated import mutated

UNKNOWN = "import-dms does not know it"


def written(**files: str) -> str:
    found = described({f"{name}.json": text for name, text in files.items()})
    path = "tasks.json" if found.mappings else None
    return settings_file(found, sources=[f"{name}.json" for name in files], mappings_path=path)


def options(text: str) -> dict[str, str]:
    """The options of the sink's URL."""
    (sink,) = tomllib.loads(text)["sink"]
    return dict(parse_qsl(urlsplit(sink["url"]).query))


def lines(text: str) -> list[str]:
    """The comments, each on one line."""
    return text.replace("\n#   ", " ").replace("\n# ", "\n").splitlines()


def members(shape: str) -> list[str]:
    """The members of a shape of the DMS API, as AWS's own SDK has them."""
    model: Any = botocore.session.get_session().get_service_model("dms")
    return list(model.shape_for(shape).members)


def test_a_task_becomes_a_database_a_sink_and_its_mappings() -> None:
    text = written(endpoints=endpoints(source({"MapBooleanAsBoolean": True}), target()), tasks=tasks(task()))
    assert tomllib.loads(text) == {
        "table_mappings": "tasks.json",
        "database": {"url": "postgresql://dms@db.internal:5432/app?sslmode=require"},
        "sink": [
            {
                "name": "app-to-kinesis",
                "url": f"kinesis://{STREAM}?format=dms&MessageFormat=json-unformatted&IncludeTransactionDetails=true"
                f"&MapBooleanAsBoolean=true&partition_key=table&role_arn={ROLE}",
                "start": "oldest",
            }
        ],
    }
    assert "# Nothing is without a counterpart." in text
    assert max(map(len, (line for line in text.splitlines() if line.startswith("#")))) <= 115


def test_the_order_of_the_files_means_nothing() -> None:
    files = {"endpoints": endpoints(target(), source()), "tasks": tasks(task())}
    first, second = written(**files), written(**dict(reversed(files.items())))
    assert first.splitlines()[1:] == second.splitlines()[1:]


@pytest.mark.parametrize(
    "name", [name for name in members("KinesisSettings") if name.startswith(("Include", "Part", "No", "Use"))]
)
def test_every_switch_of_a_kinesis_endpoint_is_an_option_of_the_sink_under_its_name(name: str) -> None:
    text = written(endpoints=endpoints(target({name: True})))
    assert options(text)[name] == "true"
    assert f"* {name} = true: " in text
    text = written(endpoints=endpoints(target({name: False})))
    assert name not in options(text)
    assert f"* {name} = false: off, as it is without it" in text


@pytest.mark.parametrize(
    ("spelled", "format", "layout"),
    [
        (None, "json", "indented"),
        ("json", "json", "indented"),
        ("JSON", "json", "indented"),
        ("json-unformatted", "json-unformatted", "one line a record"),
        ("JSON_UNFORMATTED", "json-unformatted", "one line a record"),
        ("json_unformatted ", "json-unformatted", "one line a record"),
    ],
)
def test_the_message_format_is_known_in_every_spelling(spelled: str | None, format: str, layout: str) -> None:
    text = written(endpoints=endpoints(target({"MessageFormat": spelled})))
    assert options(text)["MessageFormat"] == format
    assert f"* MessageFormat = {format}: {layout}" in text
    sink_url.parse(tomllib.loads(text)["sink"][0]["url"])


def test_a_message_format_that_dms_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(Misconfigured, match="MessageFormat 'parquet' is none of DMS; write json or json-unformatted"):
        written(endpoints=endpoints(target({"MessageFormat": "PARQUET"})))


def test_other_values_are_known_in_every_spelling_too() -> None:
    before_image = {"EnableBeforeImage": "True", "FieldName": "Old_Row", "ColumnFilter": "NON_LOB"}
    text = written(
        endpoints=endpoints(
            source(SslMode="VERIFY_FULL"),
            target(KinesisSettings=None, ExtraConnectionAttributes="includeNullAndEmpty=Y;noHexPrefix=no"),
        ),
        tasks=tasks(task({"BeforeImageSettings": before_image})),
    )
    found = options(text)
    assert (found["FieldName"], found["ColumnFilter"]) == ("Old_Row", "non-lob")
    assert (found["IncludeNullAndEmpty"], found.get("NoHexPrefix")) == ("true", None)
    assert tomllib.loads(text)["database"]["url"].endswith("sslmode=verify-full")


def test_a_before_image_that_is_switched_off_by_a_text_is_off() -> None:
    settings = {"BeforeImageSettings": {"EnableBeforeImage": "false", "ColumnFilter": "all"}}
    text = written(endpoints=endpoints(source(), target()), tasks=tasks(task(settings)))
    assert "EnableBeforeImage" not in options(text)


def test_the_settings_may_stand_in_the_extra_connection_attributes() -> None:
    endpoint = target(
        KinesisSettings=None,
        ServiceAccessRoleArn=ROLE,
        ExtraConnectionAttributes=f"streamArn={STREAM};messageFormat=json-unformatted;includeNullAndEmpty=true;foo=bar;",
    )
    text = written(endpoints=endpoints(endpoint))
    assert tomllib.loads(text)["sink"][0]["url"].startswith(f"kinesis://{STREAM}?")
    assert options(text) == {
        "format": "dms",
        "MessageFormat": "json-unformatted",
        "IncludeNullAndEmpty": "true",
        "partition_key": "table",
        "role_arn": ROLE,
    }
    assert f"* foo = bar: {UNKNOWN}" in text


def test_settings_of_the_source_may_stand_there_too() -> None:
    attributes = "mapBooleanAsBoolean=true;heartbeatEnable=true;foo=bar"
    text = written(endpoints=endpoints(source(ExtraConnectionAttributes=attributes), target()))
    assert options(text)["MapBooleanAsBoolean"] == "true"
    assert "* HeartbeatEnable = true: nothing: it moved the replication slot on" in text
    assert f"* foo = bar: {UNKNOWN}" in text


@pytest.mark.parametrize("name", members("PostgreSQLSettings"))
def test_every_setting_of_a_postgresql_endpoint_is_known(name: str) -> None:
    text = written(endpoints=endpoints(source({name: "hunter2"}), target()))
    assert UNKNOWN not in text
    assert name in text or name == "Password"
    assert name not in ("Password", "AfterConnectScript") or "hunter2" not in text


def test_a_setting_that_nobody_knows_is_listed() -> None:
    text = written(
        endpoints=endpoints(source({"NewSetting": 7}), target({"OtherSetting": True})),
        tasks=tasks(task({"Thing": {"A": 1}})),
    )
    tail = text.partition("# Without a counterpart")[2]
    for name in ("NewSetting = 7", "OtherSetting = true", "Thing = A"):
        assert f"* {name}: {UNKNOWN}" in tail


def test_control_records_of_altered_tables_turn_schema_events_on() -> None:
    text = written(endpoints=endpoints(target({"IncludeTableAlterOperations": True})))
    assert tomllib.loads(text)["capture"] == {"schema_events": True}


def loaded(kind: str, *rules: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The ``[[table]]`` that these rules become, and the whole file."""
    text = written(tasks=tasks(task(MigrationType=kind, mappings=numbered(*rules))))
    tables = tomllib.loads(text).get("table", [])
    Settings.model_validate(tomllib.loads(text))
    return tables, text


def test_a_task_without_a_load_loads_nothing() -> None:
    tables, text = loaded("cdc", selection())
    assert tables == []
    assert 'load = "initial"' not in text


@pytest.mark.parametrize(
    ("kind", "said"),
    [("full-load", "run `forwarder listen --load-only`"), ("full-load-and-cdc", "take it out if DMS has loaded them")],
)
def test_a_load_becomes_a_rule_for_each_selection(kind: str, said: str) -> None:
    tables, text = loaded(
        kind,
        selection("public.orders"),
        selection("sales.%"),
        selection("public.audit_log", "explicit"),
        selection("%.tmp%", "exclude"),
    )
    exclude = {"exclude": ["*.tmp*"], "load": "initial"}
    assert tables == [
        {"match": "public.orders", **exclude},
        {"match": "sales.*", **exclude},
        {"match": "public.audit_log", **exclude},
    ]
    (line,) = [line for line in lines(text) if line.startswith("* MigrationType")]
    assert said in line


@pytest.mark.parametrize(
    ("locator", "match"),
    [("public.a.b*", 'public."a.b*"'), ("public.order[_]items", "public.order_items"), ("a_b.c_%", "a_b.c?*")],
)
def test_a_name_is_quoted_where_it_would_be_a_pattern(locator: str, match: str) -> None:
    schema, _, table = locator.partition(".")
    rule = selection()
    rule["object-locator"] = {"schema-name": schema, "table-name": table}
    assert [table["match"] for table in loaded("full-load", rule)[0]] == [match]


@pytest.mark.parametrize("action", ["include", "exclude"])
def test_a_load_that_cannot_be_said_in_a_pattern_is_listed(action: str) -> None:
    tables, text = loaded("full-load", selection("public.[ab]%", action), selection("public.orders"))
    assert [table["match"] for table in tables] == (["public.orders"] if action == "include" else [])
    tail = text.partition("# Without a counterpart")[2]
    assert ("rows of public.[ab]%" if action == "include" else "rows of public.orders") in tail


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"partition_key": "table"}),
        ({"TargetMetadata": {"ParallelApplyThreads": 8}}, {}),
        ({"ErrorBehavior": {"DataErrorPolicy": "STOP_TASK"}}, {"partition_key": "table", "on_poison": "halt-lane"}),
        ({"ErrorBehavior": {"DataTruncationErrorPolicy": "STOP_TASK"}}, {"partition_key": "table", "oversize": "stop"}),
        ({"ErrorBehavior": {"DataErrorPolicy": "LOG_ERROR"}}, {"partition_key": "table"}),
    ],
)
def test_settings_of_the_task_that_concern_records_are_options_of_the_sink(
    settings: dict[str, Any], expected: dict[str, str]
) -> None:
    found = options(written(endpoints=endpoints(target()), tasks=tasks(task(settings))))
    assert {name: found.get(name) for name in ("partition_key", "on_poison", "oversize") if name in found} == expected


def test_object_mappings_decide_about_partition_keys() -> None:
    mappings = numbered(selection(), object_mapping("public.a", parameters={"partition_key_type": "primary-key"}))
    text = written(endpoints=endpoints(target()), tasks=tasks(task(mappings=mappings)))
    assert options(text)["partition_key"] == "table"
    assert "The partition key is what the object-mapping rules say, each for its tables; of all others" in text
    assert "table, as DMS has it without parallel threads" in " ".join(text.replace("#", " ").split())


def test_before_images_are_options_of_the_sink_under_their_names() -> None:
    settings = {"BeforeImageSettings": {"EnableBeforeImage": True, "FieldName": "old", "ColumnFilter": "pk-only"}}
    text = written(endpoints=endpoints(target()), tasks=tasks(task(settings)))
    found = options(text)
    assert [found[name] for name in ("EnableBeforeImage", "FieldName", "ColumnFilter")] == ["true", "old", "pk-only"]
    assert "* BeforeImageSettings = true, old, pk-only: EnableBeforeImage, FieldName, ColumnFilter in the url" in text
    for off in ({"BeforeImageSettings": None}, {"BeforeImageSettings": {"EnableBeforeImage": False}}, {}):
        text = written(endpoints=endpoints(target()), tasks=tasks(task(off)))
        assert "EnableBeforeImage" not in options(text)
        assert "* BeforeImageSettings = off: no old rows in records" in text


def test_mappings_that_cannot_be_followed_are_listed_all() -> None:
    mappings = numbered(
        selection(),
        transformation("add-column", "public.a", value="x"),
        transformation("change-data-type", "public.a.b"),
    )
    said = lines(written(tasks=tasks(task(mappings=mappings))).partition("# Without a counterpart")[2])
    assert [line.partition(": ")[2].partition(":")[0] for line in said if "rule-id" in line] == [
        "rule-id 2",
        "rule-id 3",
    ]


def test_a_serverless_replication_is_a_task() -> None:
    config = {
        "ReplicationConfigIdentifier": "serverless",
        "SourceEndpointArn": f"{ARN}:SOURCE",
        "TargetEndpointArn": f"{ARN}:TARGET",
        "ReplicationType": "cdc",
        "ComputeConfig": {"MaxCapacityUnits": 16},
        "ReplicationSettings": "{}",
        "TableMappings": ARTICLE,
    }
    text = written(endpoints=endpoints(source(), target()), configs=json.dumps({"ReplicationConfigs": [config]}))
    assert tomllib.loads(text)["sink"][0]["name"] == "serverless"
    assert "* ComputeConfig = MaxCapacityUnits: forwarder is one process" in text


def test_plain_mappings_make_a_file_to_be_filled_in() -> None:
    text = written(mappings=ARTICLE)
    assert tomllib.loads(text)["table_mappings"] == "tasks.json"
    assert "# No source endpoint was given: hand the URL over as FORWARDER_DATABASE_URL." in text
    assert tomllib.loads(text)["sink"][0]["url"].startswith("kinesis://STREAM?format=dms&")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a": "x"}, "a.json is not valid JSON"),
        ({"a": "7"}, "a.json is not what aws dms describe-endpoints"),
        ({"a": "{}"}, "a.json is not what aws dms describe-endpoints"),
        (
            {"a": tasks(task(), task(ReplicationTaskIdentifier="b"))},
            "there are 2 tasks; choose one by --task: app-to-kinesis, b",
        ),
        (
            {"a": endpoints(target(), target(EndpointIdentifier="other"))},
            "there are 2 target endpoints (target-kinesis, other)",
        ),
        (
            {"a": endpoints(target(EngineName="s3"))},
            "target endpoint target-kinesis is of engine 's3'; forwarder goes from PostgreSQL to Kinesis",
        ),
        ({"a": endpoints(source(EngineName="mysql"))}, "source endpoint source-postgres is of engine 'mysql'"),
        ({"a": ARTICLE, "b": ARTICLE}, "a.json and b.json both have table mappings; give one of them"),
    ],
)
def test_files_that_tell_no_task_are_refused_with_the_remedy(files: dict[str, str], says: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        written(**files)
    assert says in str(raised.value)


def test_the_task_is_chosen_by_its_name_and_the_endpoints_by_the_task() -> None:
    other: dict[str, Any] = {"EndpointArn": f"{ARN}:OTHER", "EndpointIdentifier": "other", "EngineName": "s3"}
    texts = {
        "e": endpoints(target(**other), source(), target()),
        "t": tasks(task(), task(ReplicationTaskIdentifier="b")),
    }
    found = described(texts, task="b")
    assert found.task is not None
    assert (found.task.name, found.target and found.target["EndpointIdentifier"]) == ("b", "target-kinesis")
    with pytest.raises(Misconfigured, match="there is no task 'c'; the files have: app-to-kinesis, b"):
        described(texts, task="c")


def test_the_file_is_one_that_forwarder_reads() -> None:
    switches = dict.fromkeys(
        (name for name in members("KinesisSettings") if name.startswith(("Include", "Part", "No", "Use"))), True
    )
    text = written(endpoints=endpoints(source({"MapBooleanAsBoolean": True}), target(switches)), tasks=tasks(task()))
    settings = Settings.model_validate(tomllib.loads(text))
    found = sink_url.parse(settings.sink[0].url).format
    assert isinstance(found, Dms)
    assert all(getattr(found, name) for name in (*switches, "MapBooleanAsBoolean"))


TASK = {
    "TargetMetadata": {"ParallelApplyThreads": 0},
    "BeforeImageSettings": {"EnableBeforeImage": True, "FieldName": "before-image", "ColumnFilter": "all"},
    "ErrorBehavior": {"DataErrorPolicy": "STOP_TASK"},
}
DESCRIBED = {
    "Endpoints": [source({"MapBooleanAsBoolean": True}), target(ExtraConnectionAttributes="a=b")],
    "ReplicationTasks": [{**task(), "ReplicationTaskSettings": TASK, "TableMappings": json.loads(ARTICLE)}],
}


@given(mutated(DESCRIBED))
def test_whatever_is_in_a_description_becomes_a_file_or_is_told_in_one_line(document: Any) -> None:
    with suppress(Misconfigured):
        tomllib.loads(written(described=json.dumps(document)))
