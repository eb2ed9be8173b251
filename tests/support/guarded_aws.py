"""A Kinesis, an S3, an STS, a Secrets Manager and an RDS that ask policies first, as IAM does: what none allows is denied, and noted.

Kinesis is the local one. S3 takes everything and keeps nothing. KMS is not called by the program: Kinesis and S3 ask it in the caller's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from aiohttp.test_utils import TestServer

from forwarder.local.kinesis.codecs import codec_of
from forwarder.local.kinesis.errors import KinesisError
from forwarder.local.kinesis.local_kinesis import LocalKinesis
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import ErrorResponse
from tests.support.deployments import REGION

# The access key of the task's role.
TASK = "TASKKEY"
_CREDENTIAL = re.compile(r"Credential=(?P<key>\w+)/\d{8}/[a-z0-9-]+/(?P<service>\w+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, as IAM reads it."""

    document: Mapping[str, Any]

    def allows(self, action: str, resource: str) -> bool:
        return any(
            action in statement["Action"] and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            for statement in self.document["Statement"]
        )

    def lesser(self) -> Sequence[tuple[str, Policy]]:
        """What is left of it without one of its actions, or one of its resources; with what is missing."""
        return [
            (f"{statement['Sid']} without {item}", self._without(place, member, item))
            for place, statement in enumerate(self.document["Statement"])
            for member in ("Action", "Resource")
            for item in statement[member]
        ]

    def _without(self, place: int, member: str, item: str) -> Policy:
        statements = list(self.document["Statement"])
        left = [other for other in statements[place][member] if other != item]
        statements[place] = {**statements[place], member: left}
        return Policy({"Statement": statements})


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Who calls: what it may do, in which account, and what must be shown to take it."""

    account: str
    policy: Policy
    external_id: str | None = None


@dataclass
class GuardedAws:
    """The services, and what was asked of them. ``roles``: by ARN, those that can be taken."""

    task: Role
    roles: Mapping[str, Role]
    # The key that each service encrypts by; None: one of AWS.
    stream_key: str | None
    bucket_key: str | None
    secret_key: str | None
    # RDS's name for the database.
    database: str | None = None
    kinesis: LocalKinesis = field(default_factory=lambda: LocalKinesis(limits=False, region=REGION))
    # Pairs of an action and a resource.
    asked: set[tuple[str, str]] = field(default_factory=set)
    denied: list[tuple[str, str]] = field(default_factory=list)
    # By its access key, the ARN of a role that was taken.
    taken: dict[str, str] = field(default_factory=dict)

    def allows(self, role: Role, action: str, resource: str | None) -> bool:
        """Whether it is allowed; an action on no key is."""
        if resource is None:
            return True
        self.asked.add((action, resource))
        if role.policy.allows(action, resource):
            return True
        self.denied.append((action, resource))
        return False

    async def answer(self, request: web.Request) -> web.Response:
        found = _CREDENTIAL.search(request.headers.get("Authorization", ""))
        assert found, "a request that nobody has signed"
        body = await request.read()
        if found["service"] == "sts":
            return self._sts(await request.post())
        role = self.task if found["key"] == TASK else self.roles[self.taken[found["key"]]]
        if found["service"] == "secretsmanager":
            return self._secret(json.loads(body)["SecretId"], role)
        return self._s3(request, role) if found["service"] == "s3" else self._kinesis(request, body, role)

    def log_in(self, token: str) -> None:
        """What RDS does with a token: whose it is, and which user it is for, is all that it asks."""
        asked = parse_qs(urlsplit(f"https://{token}").query)
        assert asked["X-Amz-Credential"][0].startswith(TASK)
        user = f"arn:aws:rds-db:{REGION}:{self.task.account}:dbuser:{self.database}/{asked['DBUser'][0]}"
        self.allows(self.task, "rds-db:connect", user)

    def _secret(self, arn: str, role: Role) -> web.Response:
        allowed = self.allows(role, "secretsmanager:GetSecretValue", arn)
        if not (allowed and self.allows(role, "kms:Decrypt", self.secret_key)):
            return web.json_response({"__type": "AccessDeniedException", "Message": "denied"}, status=400)
        return web.json_response({"ARN": arn, "SecretString": "{}", "VersionId": "1"})

    def _kinesis(self, request: web.Request, body: bytes, role: Role) -> web.Response:
        codec = codec_of(request.content_type)
        try:
            call = Call.read(request.headers["X-Amz-Target"], body, codec=codec)
            self._check(call, role)
            answered = self.kinesis.answer(call, self.kinesis.decide(call))
            assert isinstance(answered, bytes)
            return web.Response(body=answered, content_type=codec.content_type)
        except KinesisError as error:
            told = codec.encode(ErrorResponse(kind=error.kind, message=error.message))
            return web.Response(status=error.status, body=told, content_type=codec.content_type)

    def _check(self, call: Call, role: Role) -> None:
        stream = f"arn:aws:kinesis:{REGION}:{role.account}:stream/{call.stream}"
        if not self.allows(role, f"kinesis:{call.operation.name}", stream):
            raise KinesisError("AccessDeniedException", f"not authorized to perform kinesis:{call.operation.name}")
        if call.operation.name == "PutRecords" and not self.allows(role, "kms:GenerateDataKey", self.stream_key):
            raise KinesisError("KMSAccessDeniedException", "not authorized to perform kms:GenerateDataKey")

    def _s3(self, request: web.Request, role: Role) -> web.Response:
        arn = f"arn:aws:s3:::{request.path.strip('/')}"
        is_upload = "uploadId" in request.query
        action, key_action = {
            "HEAD": ("s3:ListBucket", None),
            "PUT": ("s3:PutObject", "kms:GenerateDataKey"),
            # S3 reads the parts to put them together.
            "POST": ("s3:PutObject", "kms:Decrypt" if is_upload else "kms:GenerateDataKey"),
            "DELETE": ("s3:AbortMultipartUpload", None),
        }[request.method]
        allowed = self.allows(role, action, arn)
        if not allowed or (key_action and not self.allows(role, key_action, self.bucket_key)):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code><Message>denied</Message></Error>")
        if request.method == "POST":
            kind, member = ("Complete", "<ETag>tag</ETag>") if is_upload else ("Initiate", "<UploadId>1</UploadId>")
            return web.Response(text=f"<{kind}MultipartUploadResult>{member}</{kind}MultipartUploadResult>")
        return web.Response(headers={"ETag": "tag"}, status=204 if request.method == "DELETE" else 200)

    def _sts(self, form: Any) -> web.Response:
        arn = form["RoleArn"]
        allowed = self.allows(self.task, "sts:AssumeRole", arn)
        if not allowed or self.roles[arn].external_id != form.get("ExternalId"):
            text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>denied</Message></Error></ErrorResponse>"
            return web.Response(status=403, text=text)
        key = f"ROLEKEY{len(self.taken)}"
        self.taken[key] = arn
        ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        members = {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends}
        credentials = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
        return web.Response(
            text=f"<AssumeRoleResponse><AssumeRoleResult><Credentials>{credentials}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )


@asynccontextmanager
async def guarded_aws(guarded: GuardedAws) -> AsyncIterator[str]:
    """Serve it for the length of a block; its address."""
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", guarded.answer)
    server = TestServer(application)
    await server.start_server()
    try:
        yield str(server.make_url(""))
    finally:
        await server.close()
