"""Which keys everything but shares shows, at every version; shares: `test_share_versions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from abaca.api.microversion import HISTORY
from api.setups import operations, roles

VERSIONS = [version for version, _ in HISTORY]
LAST = VERSIONS[-1].minor
Keys = Mapping[str, tuple[int, int]]


def keys(always: str, /, **since: str) -> dict[str, tuple[int, int]]:
    """By key the minor versions from and to which it is shown.

    ``always`` has those of all versions; ``v51`` those since 2.51, ``v18_50`` those of 2.18
    to 2.50. From the published API reference and its history.
    """
    found = dict.fromkeys(always.split(), (0, LAST))
    for versions, names in since.items():
        first, _, last = versions.removeprefix("v").partition("_")
        found |= dict.fromkeys(names.split(), (int(first), int(last or LAST)))
    return found


SHARE_TYPE = keys(
    "id name extra_specs required_extra_specs",
    v0_6="os-share-type-access:is_public",
    v7="share_type_access:is_public",
    v41="description",
    v46="is_default",
)
# `is_public` is this service's own: docs/share-networks.md.
SHARE_NETWORK = keys(
    "id name project_id description is_public created_at updated_at",
    v0_25="nova_net_id",
    v0_50="neutron_net_id neutron_subnet_id network_type segmentation_id cidr ip_version",
    v18_50="gateway",
    v20_50="mtu",
    v51="share_network_subnets",
    v63="status security_service_update_support",
    v70="network_allocation_update_support",
)
EMBEDDED = keys(
    "id availability_zone created_at updated_at neutron_net_id neutron_subnet_id network_type "
    "segmentation_id cidr ip_version gateway mtu",
    v78="metadata",
)
SUBNET = {**EMBEDDED, **keys("share_network_id share_network_name")}
LISTED_SERVER = keys(
    "id project_id status host share_network_id share_network_name updated_at",
    v49="is_auto_deletable identifier",
    v51_69="share_network_subnet_id",
    v57="task_state source_share_server_id",
    v63="security_service_update_support",
    v70="share_network_subnet_ids network_allocation_update_support",
)
SERVER = {**LISTED_SERVER, **keys("created_at backend_details")}
INSTANCE = keys(
    "id share_id status host availability_zone share_network_id share_server_id created_at",
    v0_8="export_location export_locations",
    v10="access_rules_status",
    v11="replica_state",
    v22="share_type_id",
    v30="cast_rules_to_readonly",
    v54="progress",
    v71="updated_at",
)
TYPE_QUOTAS = keys(
    "id shares gigabytes snapshots snapshot_gigabytes",
    v53="share_replicas replica_gigabytes",
    v62="per_share_gigabytes",
)
QUOTAS = {**TYPE_QUOTAS, **keys("share_networks", v40="share_groups share_group_snapshots")}
LIMITS = keys(
    "maxTotalShares totalSharesUsed maxTotalShareGigabytes totalShareGigabytesUsed "
    "maxTotalShareSnapshots totalShareSnapshotsUsed maxTotalSnapshotGigabytes "
    "totalSnapshotGigabytesUsed maxTotalShareNetworks totalShareNetworksUsed",
    v53="maxTotalShareReplicas totalShareReplicasUsed maxTotalReplicaGigabytes "
    "totalReplicaGigabytesUsed",
    v58="maxTotalShareGroups totalShareGroupsUsed maxTotalShareGroupSnapshots "
    "totalShareGroupSnapshotsUsed",
)
SECURITY_SERVICE = keys(
    "id name type status project_id description dns_ip server domain user password created_at "
    "updated_at",
    v44="ou",
    v76="default_ad_site",
)
SERVICE = keys("id binary host zone status state updated_at")
MESSAGE = keys(
    "id project_id request_id resource_type resource_id action_id detail_id message_level "
    "user_message created_at expires_at links"
)


@dataclass(frozen=True)
class Case:
    """A path, from and to which minor version it is there, and what its answer has at ``place``."""

    path: str
    place: str
    """Names and indexes, with dots between."""
    keys: Keys
    since: int = 0
    until: int = LAST
    who: str = "admin"
    outside: tuple[int, ...] = (404,)
    """What the status may be at other versions."""


CASES = (
    Case("/types/{gold}", "share_type", SHARE_TYPE),
    Case("/types/{gold}", "volume_type", SHARE_TYPE, who="alice"),
    Case("/types", "share_types.0", SHARE_TYPE, who="alice"),
    Case("/share-networks/{private}", "share_network", SHARE_NETWORK, who="alice"),
    Case("/share-networks/detail", "share_networks.0", SHARE_NETWORK),
    Case("/share-networks", "share_networks.0", keys("id name"), who="alice"),
    Case(
        "/share-networks/{private}",
        "share_network.share_network_subnets.0",
        EMBEDDED,
        51,
        outside=(200,),
    ),
    Case("/share-networks/{private}/subnets/{private_subnet}", "share_network_subnet", SUBNET, 51),
    Case("/share-networks/{private}/subnets", "share_network_subnets.0", SUBNET, 51, who="alice"),
    Case("/share-servers", "share_servers.0", LISTED_SERVER),
    Case("/share-servers/{server}", "share_server", SERVER),
    Case("/share_instances", "share_instances.0", INSTANCE, since=3),
    Case("/shares/{share}/instances", "share_instances.0", INSTANCE, since=3),
    Case("/os-quota-sets/red", "quota_set", QUOTAS, until=6),
    Case("/quota-sets/red", "quota_set", QUOTAS, since=7, who="alice"),
    Case("/quota-sets/red/defaults", "quota_set", QUOTAS, since=7),
    Case("/quota-sets/red/detail", "quota_set", QUOTAS, since=25),
    Case("/quota-sets/red?share_type=gold", "quota_set", TYPE_QUOTAS, since=39, outside=(400, 404)),
    Case("/os-quota-class-sets/default", "quota_class_set", QUOTAS, until=6),
    Case("/quota-class-sets/default", "quota_class_set", QUOTAS, since=7),
    Case("/limits", "limits.absolute", LIMITS, who="alice"),
    Case("/security-services/{here}", "security_service", SECURITY_SERVICE, who="alice"),
    Case("/security-services/detail", "security_services.0", SECURITY_SERVICE, who="alice"),
    Case("/security-services", "security_services.0", keys("id name type status"), who="alice"),
    Case("/os-services", "services.0", SERVICE, until=6),
    Case("/services", "services.0", SERVICE, since=7),
    Case("/messages", "messages.0", MESSAGE, since=37, who="alice"),
    Case("/messages/{first}", "message", MESSAGE, since=37, who="alice"),
)


@pytest.fixture
def names(db: Any) -> dict[str, str]:
    """Something of everything."""
    return roles.scene(db) | operations.told(db)


def at(answer: Any, place: str) -> Any:
    """What an answer has there."""
    for step in place.split("."):
        answer = answer[int(step) if step.isdigit() else step]
    return answer


def test_every_version(client: Any, names: dict[str, str]) -> None:
    """Each answer has exactly the keys of its version; at others its path is refused."""
    for case in CASES:
        path = f"/v2{case.path.format(**names)}"
        for version in VERSIONS:
            minor = version.minor
            there = case.since <= minor <= case.until
            found = client.call(case.who, "GET", path, version=str(version))
            assert found.status_code in ((200,) if there else case.outside), (path, version)
            if there:
                wanted = {
                    key for key, (since, until) in case.keys.items() if since <= minor <= until
                }
                assert set(at(found.json, case.place)) == wanted, (path, version)
