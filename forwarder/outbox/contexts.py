"""What the application says of its transaction, by the setting ``forwarder.context``, as JSON. Pure."""

import msgspec

# Looks at every character, and builds nothing of it: numbers of any size pass. Stricter than Python's `json`: it refuses NaN, and lone surrogates.
_JSON = msgspec.json.Decoder(msgspec.Raw)


def context_json(text: str) -> str:
    """The text itself if it is JSON, to the last digit; else a JSON string of it. Never an error."""
    try:
        _JSON.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(text).decode()
    return text
