"""What a secret may say, and what counts beside the URL."""

from __future__ import annotations

import json

import pytest

from forwarder.aws.secrets import region_of_secret
from forwarder.config.database import DatabaseSettings
from forwarder.database.address import resolve
from forwarder.database.logins.secret import Secret, members_of
from forwarder.errors import ForwarderError, Misconfigured

RDS = {"username": "app", "password": "hunter2", "engine": "postgres", "host": "db.rds", "port": 6000, "dbname": "shop"}


def test_the_url_counts_over_the_place_of_the_secret_and_the_secret_over_libpqs_variables() -> None:
    def where(url: str, members: dict[str, object], **environment: str) -> tuple[str | None, str]:
        imposed, places = members_of(json.dumps(members), "secret app")
        target = resolve(url, environment, found=places, imposed=imposed)
        assert target.has_password
        return target.user, target.address

    assert where("postgresql://", RDS, PGHOST="elsewhere", PGUSER="me", PGPASSWORD="no") == ("app", "db.rds:6000/shop")
    assert where("postgresql://me@proxy:1/app", RDS) == ("app", "proxy:1/app")
    # As RDS itself manages the secret of a master user.
    assert where("postgresql://proxy/app", {"username": "app", "password": "x"}) == ("app", "proxy:5432/app")


@pytest.mark.parametrize(
    "text", ["hunter2", "[]", "{}", '{"username": "app"}', '{"username": "", "password": "hunter2"}',
             '{"username": {}, "password": "hunter2"}', json.dumps({**RDS, "engine": "mysql"})],
)  # fmt: skip
def test_a_secret_that_is_none_of_rds_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ForwarderError) as error:
        members_of(text, "secret app")
    assert "secret app is" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_password_beside_the_secret_is_refused() -> None:
    settings = DatabaseSettings(auth="secrets-manager", secret="app")
    with pytest.raises(Misconfigured, match="leave the password in FORWARDER_DATABASE_URL out"):
        Secret("postgresql://app:hunter2@db/app", settings, {})
    assert Secret("postgresql://", settings, {"PGPASSWORD": "x"}).told == "secret app"


def test_the_region_is_in_the_arn() -> None:
    assert region_of_secret("arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf") == "eu-west-1"
    assert region_of_secret("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:app-AbCdEf") == "cn-north-1"
    assert region_of_secret("app") is None
