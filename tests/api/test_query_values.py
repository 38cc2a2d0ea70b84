"""Query strings with values that no row can have: the answer is empty, or 400 on every database."""

from __future__ import annotations

import pytest

from abaca.api.request import LARGEST
from api.conftest import Client

pytestmark = pytest.mark.every_database

NUMBERS = (
    "shares/detail?offset",
    "shares?limit",
    "snapshots?size",
    "share-networks?segmentation_id",
)
TIMES = tuple(
    f"{noun}?{name}"
    for noun in ("share-networks", "messages")
    for name in ("created_since", "created_before")
)


def test_numbers_and_times_without_end(client: Client) -> None:
    """The largest that is taken can be compared with; what is beyond never gets that far."""
    far = ("0001-01-01", "9999-12-31T23:59:59.999999")
    beyond = ("0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59")
    asked = [(path, LARGEST, 200) for path in NUMBERS]
    asked += [(path, LARGEST + 1, 400) for path in NUMBERS]
    asked += [(path, moment, 200) for path in TIMES for moment in far]
    asked += [(path, moment, 400) for path in TIMES for moment in beyond]
    for path, value, status in asked:
        result = client.call("admin", "GET", f"/v2/{path}={value}", version="2.78")
        assert result.status_code == status, (path, value, result.text)
