"""Which versions there are: answered to anybody, whatever version the request names."""

from __future__ import annotations

from typing import Any

import falcon

from abaca.api.microversion import MAX, MIN
from abaca.api.rendering import write_json
from abaca.api.settings import ApiSettings
from abaca.api.urls import base_url

UPDATED = "2026-11-01T00:00:00Z"


def document(base: str) -> dict[str, Any]:
    """``{"versions": [...]}`` with exactly one element: some clients refuse more."""
    version = {
        "id": "v2.0",
        "status": "CURRENT",
        "version": str(MAX),
        "min_version": str(MIN),
        "updated": UPDATED,
        "links": [
            {"rel": "self", "href": f"{base}/v2/"},
            {
                "rel": "describedby",
                "type": "text/html",
                "href": "https://docs.openstack.org/api-ref/shared-file-system/",
            },
        ],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.share+json;version=1",
            }
        ],
    }
    return {"versions": [version]}


class Versions:
    """``GET /`` (300: choose) and ``GET /v2/`` (200)."""

    def __init__(self, settings: ApiSettings, status: int) -> None:
        self._settings = settings
        self._status = status

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The document."""
        write_json(resp, document(base_url(req, self._settings)), self._status)
