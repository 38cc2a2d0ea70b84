"""What a request sent, as JSON says it."""

from __future__ import annotations

import falcon
import msgspec

from abaca.errors import BadRequest


def read_json(req: falcon.Request, most: int) -> object:
    """The body, None if there is none; `BadRequest` for no JSON, or over ``most`` bytes."""
    if (req.content_length or 0) > most:
        raise BadRequest(f"The body is longer than {most} bytes.")
    data = req.bounded_stream.read(most + 1)
    if len(data) > most:
        raise BadRequest(f"The body is longer than {most} bytes.")
    if not data:
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from None
