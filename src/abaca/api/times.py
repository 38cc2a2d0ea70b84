"""Times in query strings."""

from __future__ import annotations

from datetime import UTC, datetime

from abaca.api.request import Request
from abaca.errors import BadRequest


def moment(request: Request, name: str) -> datetime | None:
    """The time that the query parameter says (UTC where it has no zone), None if not given."""
    said = request.query.get(name)
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
        # Near the ends of time there may be none such in UTC.
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"{name}={said!r}: give a date or time, as 2026-01-02 or 2026-01-02T15:04:05."
        ) from None
