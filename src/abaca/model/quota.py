"""Quotas: what is limited, for whom, and how much of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

UNLIMITED = -1


class Resource(StrEnum):
    """What is limited, as the API spells it. Gigabytes are GiB."""

    SHARES = "shares"
    GIGABYTES = "gigabytes"
    SNAPSHOTS = "snapshots"
    SNAPSHOT_GIGABYTES = "snapshot_gigabytes"
    SHARE_NETWORKS = "share_networks"
    SHARE_GROUPS = "share_groups"
    SHARE_GROUP_SNAPSHOTS = "share_group_snapshots"
    SHARE_REPLICAS = "share_replicas"
    REPLICA_GIGABYTES = "replica_gigabytes"
    PER_SHARE_GIGABYTES = "per_share_gigabytes"
    """The size of one share; never used up."""


DEFAULT_LIMITS: Mapping[Resource, int] = {
    Resource.SHARES: 50,
    Resource.GIGABYTES: 1000,
    Resource.SNAPSHOTS: 50,
    Resource.SNAPSHOT_GIGABYTES: 1000,
    Resource.SHARE_NETWORKS: 10,
    Resource.SHARE_GROUPS: 50,
    Resource.SHARE_GROUP_SNAPSHOTS: 50,
    Resource.SHARE_REPLICAS: 100,
    Resource.REPLICA_GIGABYTES: 1000,
    Resource.PER_SHARE_GIGABYTES: UNLIMITED,
}
"""Where neither the configuration nor an administrator says otherwise."""

NOT_PER_TYPE = frozenset(
    {Resource.SHARE_NETWORKS, Resource.SHARE_GROUPS, Resource.SHARE_GROUP_SNAPSHOTS}
)
"""What can't be limited per share type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose limit it is: a project's, or one of its users' or of a share type in it."""

    project_id: str
    user_id: str = ""
    share_type_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A limit (`UNLIMITED`, or 0 and more) and what is used of it."""

    limit: int
    in_use: int
