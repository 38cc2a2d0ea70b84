"""Limits of the caller's project, with what is used of them."""

from __future__ import annotations

from typing import Any

from abaca.api.microversion import V
from abaca.api.policy import READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.context import Version
from abaca.model.quota import Resource, Scope
from abaca.share.quota import usages

# Resource, the name of its limit, the name of what is used, and since when.
NAMES: tuple[tuple[Resource, str, str, Version], ...] = (
    (Resource.SHARES, "maxTotalShares", "totalSharesUsed", V(2, 0)),
    (Resource.GIGABYTES, "maxTotalShareGigabytes", "totalShareGigabytesUsed", V(2, 0)),
    (Resource.SNAPSHOTS, "maxTotalShareSnapshots", "totalShareSnapshotsUsed", V(2, 0)),
    (
        Resource.SNAPSHOT_GIGABYTES,
        "maxTotalSnapshotGigabytes",
        "totalSnapshotGigabytesUsed",
        V(2, 0),
    ),
    (Resource.SHARE_NETWORKS, "maxTotalShareNetworks", "totalShareNetworksUsed", V(2, 0)),
    (Resource.SHARE_REPLICAS, "maxTotalShareReplicas", "totalShareReplicasUsed", V(2, 53)),
    (Resource.REPLICA_GIGABYTES, "maxTotalReplicaGigabytes", "totalReplicaGigabytesUsed", V(2, 53)),
    (Resource.SHARE_GROUPS, "maxTotalShareGroups", "totalShareGroupsUsed", V(2, 58)),
    (
        Resource.SHARE_GROUP_SNAPSHOTS,
        "maxTotalShareGroupSnapshots",
        "totalShareGroupSnapshotsUsed",
        V(2, 58),
    ),
)


def index(request: Request) -> dict[str, Any]:
    """Absolute limits and usage; there are no rate limits."""
    with request.db.read() as tx:
        found = usages(tx, Scope(project_id=request.ctx.project_id), request.settings.quota_limits)
    absolute: dict[str, int] = {}
    for resource, most, used, since in NAMES:
        if request.version >= since:
            absolute |= {most: found[resource].limit, used: found[resource].in_use}
    return {"limits": {"rate": [], "absolute": absolute}}


RULES = (Rule("limits:index", READER, "See the limits of the project and their usage."),)

ROUTES = (Route("GET", "/limits", index, "limits:index"),)
