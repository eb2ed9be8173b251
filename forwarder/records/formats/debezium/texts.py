"""Values whose text stands in a string: JSON, hstore, and what Debezium does not know. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from forwarder.records.formats.debezium.binary import Mode, as_text
from forwarder.records.formats.debezium.conversion import Convert

_HSTORE = msgspec.json.Decoder(dict[str, str | None])


def quoted(raw: bytes) -> str:
    r"""``{"a": 1}`` becomes ``"{\"a\": 1}"``."""
    return raw.decode()


def hstore_map(raw: bytes) -> dict[str, str | None]:
    """``{"k": "v"}`` becomes ``{"k":"v"}``."""
    return _HSTORE.decode(raw)


def hstore_json(raw: bytes) -> str:
    r"""``{"k": "v"}`` becomes ``"{\"k\":\"v\"}"``."""
    return msgspec.json.encode(_HSTORE.decode(raw)).decode()


def text(raw: bytes) -> object:
    """A string stays as it is; anything else is put into one."""
    return Raw(raw) if raw[:1] == b'"' else raw.decode()


def encoded(mode: Mode) -> Convert:
    """``"16/B374D848"`` becomes ``"MTYvQjM3NEQ4NDg="``: the bytes of the text."""
    of_bytes = as_text(mode)

    def convert(raw: bytes) -> str:
        return of_bytes(msgspec.json.decode(raw, type=str).encode() if raw[:1] == b'"' else raw)

    return convert
