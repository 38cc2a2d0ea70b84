"""What quota sets and quota class sets have in common: their keys, and since when."""

from __future__ import annotations

from abaca.api.bodies import Key, integer
from abaca.api.microversion import V
from abaca.context import Version
from abaca.model.quota import UNLIMITED, Resource

LARGEST = 2**31 - 1
SINCE: dict[Resource, Version] = {
    Resource.SHARES: V(2, 0),
    Resource.GIGABYTES: V(2, 0),
    Resource.SNAPSHOTS: V(2, 0),
    Resource.SNAPSHOT_GIGABYTES: V(2, 0),
    Resource.SHARE_NETWORKS: V(2, 0),
    Resource.SHARE_GROUPS: V(2, 40),
    Resource.SHARE_GROUP_SNAPSHOTS: V(2, 40),
    Resource.SHARE_REPLICAS: V(2, 53),
    Resource.REPLICA_GIGABYTES: V(2, 53),
    Resource.PER_SHARE_GIGABYTES: V(2, 62),
}
LIMIT_KEYS = tuple(
    Key(name=str(resource), check=integer(least=UNLIMITED, most=LARGEST), since=since)
    for resource, since in SINCE.items()
)


def shown_at(version: Version) -> list[Resource]:
    """The resources that this version knows."""
    return [resource for resource, since in SINCE.items() if version >= since]
