"""What a request sent, as JSON says it."""

from __future__ import annotations

import falcon
import msgspec

from abaca.errors import BadRequest

NUL_REFUSED = "a NUL character in it: take it out."
_ESCAPED = b"\\u0000"
"""The only way in which JSON says NUL."""


def read_json(req: falcon.Request, most: int) -> object:
    """The body, None if there is none; `BadRequest` for no JSON, NUL, or over ``most`` bytes."""
    if (req.content_length or 0) > most:
        raise BadRequest(f"The body is longer than {most} bytes.")
    data = req.bounded_stream.read(most + 1)
    if len(data) > most:
        raise BadRequest(f"The body is longer than {most} bytes.")
    if not data:
        return None
    try:
        found: object = msgspec.json.decode(data)
        has_nul = _ESCAPED in data and _has_nul(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from None
    if has_nul:
        raise BadRequest(f"The body has {NUL_REFUSED}")
    return found


def _has_nul(value: object) -> bool:
    """True if a text in it has a NUL, which not every database can store."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(map(_has_nul, value))
