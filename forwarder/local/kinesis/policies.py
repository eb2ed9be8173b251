"""Policies of streams. They are kept, and told again; nobody is refused by one, since nobody's signature is looked at."""

import msgspec

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.account import Context
from forwarder.local.kinesis.constraints import demand, present
from forwarder.local.kinesis.resource_shapes import GetResourcePolicyResponse, OfResource, PutResourcePolicyRequest
from forwarder.local.kinesis.resources import find_resource

# What AWS's IAM takes for a policy that says nothing.
_NONE = "{}"


def put_resource_policy(request: PutResourcePolicyRequest, context: Context) -> None:
    demand(present(request.policy, "policy"))
    resource = find_resource(request, context)
    try:
        msgspec.json.decode(request.policy or "", type=dict)
    except msgspec.DecodeError as error:
        raise errors.invalid_argument("The policy is not a JSON object.") from error
    resource.policy = request.policy


def get_resource_policy(request: OfResource, context: Context) -> GetResourcePolicyResponse:
    return GetResourcePolicyResponse(policy=find_resource(request, context).policy or _NONE)


def delete_resource_policy(request: OfResource, context: Context) -> None:
    resource = find_resource(request, context)
    if resource.policy is None:
        raise errors.not_found(f"No resource policy found for resource ARN {request.resource_arn}.")
    resource.policy = None
