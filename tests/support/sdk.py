"""What every session of the AWS SDK works out anew, done once a process: the tests open some two thousand of them.

A session reads the descriptions of AWS's services, for a fifth of a second; it looks at 120 handlers and the names of their events,
for fifteen milliseconds; its first request has it read the certificates of all authorities, for thirty.
"""

from __future__ import annotations

import inspect
from functools import cache
from ssl import SSLContext
from typing import Any

import botocore.session
from aiobotocore.httpsession import AIOHTTPSession
from botocore import hooks
from botocore.loaders import create_loader


def share_between_sessions() -> None:
    """Let the sessions of this process share it, as the clients of one session do anyway."""
    botocore.session.create_loader = cache(create_loader)
    hooks.accepts_kwargs = _accepts_kwargs
    # Keeps the names that it has found.
    aliaser, find = hooks.EventAliaser(None), hooks.EventAliaser._alias_event_name
    hooks.EventAliaser._alias_event_name = lambda _, event_name: find(aliaser, event_name)
    AIOHTTPSession._build_verify_context = _verify_context


def read_beforehand() -> None:
    """Read what a client of Kinesis needs."""
    botocore.session.get_session().create_client(
        "kinesis", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    _context_of_all_authorities()


_build_context = AIOHTTPSession._build_verify_context


def _verify_context(session: Any) -> SSLContext:
    context: SSLContext = _context_of_all_authorities() if session._verify is True else _build_context(session)
    return context


@cache
def _context_of_all_authorities() -> SSLContext:
    context: SSLContext = _build_context(AIOHTTPSession())
    return context


def _accepts_kwargs(handler: Any) -> bool:
    """Whether a handler takes any named argument. The SDK has `inspect` read its whole signature to know."""
    code = getattr(handler, "__code__", None)
    return bool(code.co_flags & inspect.CO_VARKEYWORDS if code else inspect.getfullargspec(handler).varkw)
