"""What a token is for, and what is said of settings that no token can be made by."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import pytest
from boto3.session import Session
from botocore.credentials import ReadOnlyCredentials

from forwarder.aws.rds_endpoint import region_of_endpoint
from forwarder.aws.rds_token import token
from forwarder.config.database import DatabaseSettings
from forwarder.database.logins.rds_iam import RdsIam
from forwarder.errors import Misconfigured

ENDPOINT = "app.c9akciq32.eu-west-1.rds.amazonaws.com"
URL = f"postgresql://app@{ENDPOINT}/app"


def source(url: str, environment: dict[str, str] | None = None, **settings: str) -> RdsIam:
    return RdsIam(url, DatabaseSettings.model_validate({"auth": "rds-iam", **settings}), environment or {})


def refusal(url: str, environment: dict[str, str] | None = None, **settings: str) -> str:
    with pytest.raises(Misconfigured) as error:
        source(url, environment, **settings)
    assert "hunter2" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (ENDPOINT, "eu-west-1"),
        ("app.cluster-c9akciq32.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("app.cluster-ro-c9akciq32.ap-southeast-2.rds.amazonaws.com", "ap-southeast-2"),
        ("app.c9akciq32.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("app.c9akciq32.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"),
        ("db.internal", None),
        ("app.eu-west-1.rds.amazonaws.com.evil.example", None),
        ("ec2-10-0-0-1.eu-west-1.compute.amazonaws.com", None),
    ],
)
def test_the_region_is_in_the_name_of_an_endpoint(host: str, region: str | None) -> None:
    assert region_of_endpoint(host) == region


def test_a_token_is_what_the_sdk_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now)
    keys = ("AKIAOURS", "secret", "a/session+token=")
    session = Session(*keys, region_name="eu-west-1")
    theirs = session.client("rds").generate_db_auth_token(DBHostname=ENDPOINT, Port=5432, DBUsername="app+x")

    ours = token(ReadOnlyCredentials(*keys), host=ENDPOINT, port=5432, user="app+x", region="eu-west-1")

    assert ours == theirs


def test_tls_is_taken_and_asked_for_where_nobody_says_anything_of_it() -> None:
    assert source(URL).target().sslmode == "require"
    assert source(f"{URL}?sslmode=verify-full&sslrootcert=/ca.pem").target().sslmode == "verify-full"
    assert source(URL, {"PGSSLMODE": "verify-ca"}).target().sslmode == "verify-ca"
    for mode in ("disable", "allow", "prefer"):
        assert 'auth = "rds-iam" in [database] takes TLS: set sslmode=verify-full' in refusal(f"{URL}?sslmode={mode}")
    assert "takes TLS" in refusal(URL, {"PGSSLMODE": "disable"})


def test_what_no_token_can_be_made_by_is_refused() -> None:
    assert "leave the password in FORWARDER_DATABASE_URL out" in refusal(URL.replace("app@", "app:hunter2@"))
    assert "name the role in FORWARDER_DATABASE_URL" in refusal(URL.replace("app@", ""))
    assert "name the endpoint of RDS as the host" in refusal("postgresql://app@/app?host=/run/postgresql")
    assert "db.internal is no name of RDS" in refusal("postgresql://app@db.internal/app")
    assert "goes with one host" in refusal("postgresql://app@a,b/app", iam_endpoint=ENDPOINT)
    for known in (
        source("postgresql://app@db.internal/app", {"AWS_REGION": "eu-west-1"}),
        source("postgresql://app@db.internal/app", region="eu-west-1"),
        source("postgresql://app@127.0.0.1:6000/app", iam_endpoint=f"{ENDPOINT}:5432"),
    ):
        assert known.target().sslmode == "require"
