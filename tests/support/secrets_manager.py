"""AWS Secrets Manager as moto plays it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from secrets import token_hex

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAOURS", "AWS_SECRET_ACCESS_KEY": "secret"}


class Librarian:
    """Keeps secrets, and changes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id="AKIAOTHER",
            aws_secret_access_key="secret",
        )

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of who reads them."""
        return {**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url}

    def keep(self, name: str, **members: object) -> str:
        """Make a secret, and return its ARN."""
        # moto keeps what it has for as long as the process lives.
        return str(self._client.create_secret(Name=f"{name}-{token_hex(4)}", SecretString=json.dumps(members))["ARN"])

    def change(self, arn: str, **members: object) -> None:
        self._client.put_secret_value(SecretId=arn, SecretString=json.dumps(members))

    def drop(self, arn: str) -> None:
        self._client.delete_secret(SecretId=arn)


@contextmanager
def secrets_manager() -> Iterator[Librarian]:
    """One on this machine, for the length of a block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Librarian(f"http://{host}:{port}")
    finally:
        server.stop()
