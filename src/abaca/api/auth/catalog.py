"""The service catalog that tokens carry."""

from __future__ import annotations

import uuid
from typing import Any

REGION = "RegionOne"
SERVICES = (
    # Clients look for the share service under any of three types; all mean v2.
    ("sharev2", "abaca", "/v2"),
    ("shared-file-system", "abaca", "/v2"),
    ("share", "abaca", "/v2"),
    ("identity", "abaca-identity", "/identity/v3"),
)
INTERFACES = ("public", "internal", "admin")


def catalog(base_url: str) -> list[dict[str, Any]]:
    """Every service, each interface at the same URL."""
    return [
        {
            "id": _id(kind),
            "type": kind,
            "name": name,
            "endpoints": [
                {
                    "id": _id(f"{kind}/{interface}"),
                    "interface": interface,
                    "region": REGION,
                    "region_id": REGION,
                    "url": f"{base_url}{path}",
                }
                for interface in INTERFACES
            ],
        }
        for kind, name, path in SERVICES
    ]


def _id(what: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"abaca:catalog:{what}").hex
