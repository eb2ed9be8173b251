"""What the image, docker-compose and the locks say of the program is true of it."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from typing import Any

import pytest
import yaml

from forwarder.config import reader, settings, sink_url
from tests.packaging import ROOT, health_check, instructions, parse_command_line

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")

OURS = sorted(name for name, service in COMPOSE.items() if service["image"].startswith("forwarder"))


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_an_unknown_flag_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--shard"):
        parse_command_line(["local-kinesis", "--shard-count", "4"])


@pytest.mark.parametrize("service", OURS)
def test_compose_runs_commands_and_flags_that_exist(service: str) -> None:
    (default,) = instructions("CMD")
    parse_command_line(COMPOSE[service].get("command", json.loads(default)))


@pytest.mark.parametrize("service", OURS)
def test_compose_gives_settings_that_exist(service: str) -> None:
    settings = reader.load(COMPOSE[service].get("environment", {}))
    for sink in settings.sink:
        sink_url.parse(sink.url)


def test_compose_opens_no_port_beyond_this_machine() -> None:
    ports = [port for service in COMPOSE.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_mounts_what_exists_and_nobody_writes_to_it() -> None:
    mounts = [mount.split(":") for service in COMPOSE.values() for mount in service.get("volumes", [])]
    assert mounts
    assert all((ROOT / source).exists() and mode == "ro" for source, _, mode in mounts)


def test_compose_brings_every_service_back_after_a_crash() -> None:
    policies = {name: service["restart"] for name, service in COMPOSE.items()}
    assert policies.pop("migrate") == "on-failure:5"
    assert set(policies.values()) == {"unless-stopped"}


def test_prometheus_of_compose_scrapes_the_listener_and_grafana_asks_it() -> None:
    assert {name for name, service in COMPOSE.items() if "profiles" in service} == {"prometheus", "grafana"}

    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    bound = COMPOSE["listen"]["environment"]["FORWARDER_HTTP_BIND"]
    assert job["static_configs"] == [{"targets": [f"listen:{bound.partition(':')[2]}"]}]

    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    (dashboards,) = yaml.safe_load((provisioning / "dashboards/forwarder.yml").read_text())["providers"]
    port = COMPOSE["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}"
    mounted = [volume.split(":")[1] for volume in COMPOSE["grafana"]["volumes"]]
    assert f"{dashboards['options']['path']}/forwarder.json" in mounted


def test_compose_builds_the_image_once() -> None:
    assert [name for name in OURS if "build" in COMPOSE[name]] == ["kinesis"]


@pytest.mark.parametrize("service", OURS)
def test_compose_runs_the_image_with_a_read_only_root(service: str) -> None:
    assert COMPOSE[service]["read_only"]
    assert COMPOSE[service]["cap_drop"] == ["ALL"]


def test_compose_gives_listen_the_time_to_stop() -> None:
    grace_seconds = float(COMPOSE["listen"]["stop_grace_period"].removesuffix("s"))
    assert grace_seconds > settings.ListenSettings().stop_timeout_seconds


def test_the_image_gets_every_file_that_it_copies() -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {source for copy in instructions("COPY") if not copy.startswith("--from=") for source in copy.split()[:-1]}
    assert copied == allowed
    # RDS's certificates are not ours to keep here: whoever builds an image with them lays them beside the Dockerfile.
    assert all((ROOT / source).exists() for source in copied - {"global-bundle.pe[m]"})


def test_the_image_installs_nothing_that_no_lock_pins_by_hash() -> None:
    installs = re.findall(
        r"pip (?:--python \S+ )?install (.*?)(?: && |$)", "\n".join(instructions("RUN")), re.MULTILINE
    )
    assert len(installs) == 3
    for arguments in installs:
        by_hash = "--require-hashes" in arguments and "--requirement requirements" in arguments
        from_here = "--no-index" in arguments and "--no-deps" in arguments
        assert by_hash or from_here, arguments


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    requirements = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert requirements
    assert all(re.match(r"[\w.-]+==\S+", pin) and "--hash=sha256:" in pin for pin in requirements)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_what_is_shipped_is_what_is_tested(lock: str) -> None:
    assert pins(lock).items() <= pins("requirements-dev.lock").items()


def test_the_image_runs_as_a_number_other_than_root() -> None:
    (user,) = instructions("USER")
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    assert gid > 0


def test_the_image_s_health_check_is_a_program_of_the_image_and_needs_no_shell() -> None:
    program, *options, module = health_check()
    assert (program, options) == ("python", ["-P", "-m"])
    assert find_spec(module)


def test_ci_runs_make_targets_that_exist() -> None:
    script = ROOT / ".ci" / "run"
    targets = re.findall(r"^run make (\S+)$", script.read_text(), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["test", "check", "build"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert script.stat().st_mode & 0o111
