"""What the manifests for Kubernetes say of the program, of the image and of one another is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from forwarder.config import reader, sink_url
from forwarder.config.settings import ListenSettings
from tests.packaging import ROOT, instructions, parse_command_line

FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS: dict[str, dict[str, Any]] = {
    manifest["kind"]: manifest
    for path in sorted(FOLDER.glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
}
KINDS = {
    "ServiceAccount": "v1",
    "ConfigMap": "v1",
    "Job": "batch/v1",
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
}
PODS = {kind: MANIFESTS[kind]["spec"]["template"] for kind in ("Job", "Deployment")}


def container(kind: str) -> dict[str, Any]:
    (found,) = PODS[kind]["spec"]["containers"]
    return dict(found)


def test_there_is_one_of_each_kind() -> None:
    documents = [text for path in FOLDER.glob("*.yaml") for text in yaml.safe_load_all(path.read_text())]
    assert len(documents) == len(MANIFESTS)
    assert {kind: manifest["apiVersion"] for kind, manifest in MANIFESTS.items()} == KINDS


@pytest.mark.parametrize("kind", PODS)
def test_pods_run_commands_and_flags_that_exist(kind: str) -> None:
    parse_command_line(container(kind)["args"])


@pytest.mark.parametrize("kind", PODS)
def test_pods_read_settings_that_exist(kind: str, tmp_path: Path) -> None:
    """From where the image looks for them."""
    (mount,) = container(kind)["volumeMounts"]
    assert [mount["mountPath"]] == instructions("WORKDIR")[-1:]
    for name, text in MANIFESTS["ConfigMap"]["data"].items():
        (tmp_path / name).write_text(text)
    given = {
        variable["name"]: variable.get("value", "postgresql://owner@db/app")
        for variable in container(kind).get("env", [])
    }
    settings = reader.load(given, path=tmp_path / "forwarder.toml")
    for sink in settings.sink:
        sink_url.parse(sink.url)
    assert settings.table
    assert settings.database.auth == ("password" if kind == "Job" else "rds-iam")


@pytest.mark.parametrize("kind", PODS)
def test_pods_get_what_is_there(kind: str) -> None:
    spec = PODS[kind]["spec"]
    assert spec["serviceAccountName"] == MANIFESTS["ServiceAccount"]["metadata"]["name"]
    (volume,) = spec["volumes"]
    assert volume["configMap"]["name"] == MANIFESTS["ConfigMap"]["metadata"]["name"]
    assert [mount["name"] for mount in container(kind)["volumeMounts"]] == [volume["name"]]


@pytest.mark.parametrize("kind", PODS)
def test_pods_are_the_image_s_user_and_can_write_nothing(kind: str) -> None:
    security = PODS[kind]["spec"]["securityContext"]
    assert instructions("USER") == [f"{security['runAsUser']}:{security['runAsGroup']}"]
    # Or the token of the role could not be read.
    assert security["fsGroup"] == security["runAsGroup"]
    locked = container(kind)["securityContext"]
    assert (locked["readOnlyRootFilesystem"], locked["allowPrivilegeEscalation"]) == (True, False)
    assert locked["capabilities"] == {"drop": ["ALL"]}


def test_the_database_s_role_is_the_one_that_the_migration_grants_to() -> None:
    arguments = container("Job")["args"]
    granted = arguments[arguments.index("--runtime-role") + 1]
    assert f"postgresql://{granted}@" in MANIFESTS["ConfigMap"]["data"]["forwarder.toml"]


def test_probes_ask_where_the_listener_answers_while_it_is_alive() -> None:
    (port,) = container("Deployment")["ports"]
    bound = re.search(r'bind = ":(\d+)"', MANIFESTS["ConfigMap"]["data"]["forwarder.toml"])
    assert bound
    assert int(bound[1]) == port["containerPort"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container("Deployment")[probe]["httpGet"] == {"path": "/healthz", "port": port["name"]}


def test_one_leads_while_another_is_moved_or_replaced() -> None:
    deployment, budget = MANIFESTS["Deployment"]["spec"], MANIFESTS["PodDisruptionBudget"]["spec"]
    assert deployment["replicas"] - budget["maxUnavailable"] == 1
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    labels = PODS["Deployment"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels == budget["selector"]["matchLabels"]
    # The migration's pod is none of them.
    assert PODS["Job"]["metadata"]["labels"] != labels


def test_a_pod_gets_the_time_to_stop() -> None:
    assert PODS["Deployment"]["spec"]["terminationGracePeriodSeconds"] > ListenSettings().stop_timeout_seconds


def test_the_page_names_files_that_exist() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    named = set(re.findall(r"deploy/kubernetes/[\w.-]+\.yaml", page))
    assert named == {str(path.relative_to(ROOT)) for path in FOLDER.glob("*.yaml")}
