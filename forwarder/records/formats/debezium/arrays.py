"""Arrays. Pure."""

from __future__ import annotations

import msgspec

from forwarder.records.formats.debezium.conversion import Convert

_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def array(convert: Convert, *, of_json: bool = False) -> Convert:
    """An array of what ``convert`` takes. Arrays of several dimensions stay such.

    ``of_json``: its elements may be arrays themselves, which are no dimensions.
    """

    def convert_array(raw: bytes) -> object:
        return [convert_item(bytes(item)) for item in _ITEMS.decode(raw)]

    def convert_item(raw: bytes) -> object:
        if raw == b"null":
            return None
        return convert_array(raw) if raw[:1] == b"[" and not of_json else convert(raw)

    return convert_array
