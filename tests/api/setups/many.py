"""So many of everything that the API lists, of project red's; also of what belongs to one thing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Table, insert

from abaca.db import tables as t
from abaca.db.database import Database
from abaca.db.tables import new_id, now

PROJECT = "red"
_POWERS = {"driver_handles_share_servers": "True", "snapshot_support": "True"}


def everything(db: Database, count: int) -> dict[str, str]:
    """``count`` of each; the first of a kind has ``count`` of what belongs to it. IDs by name."""
    made = _Many(count)
    made.types()
    made.zones_and_pools()
    made.networks()
    made.servers()
    made.shares()
    made.snapshots()
    made.others()
    with db.write() as tx:
        for table, rows in made.rows.items():
            tx.execute(insert(table), rows)
    return made.names


class _Many:
    """Rows by table, in the order in which they refer to each other."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.rows: dict[Table, list[dict[str, Any]]] = {}
        self.names: dict[str, str] = {"project": PROJECT, "name": "default"}
        self._ids: dict[Table, list[str]] = {}

    def _add(self, table: Table, **values: Any) -> str:
        """One row; its ID, if it is of a kind that has one."""
        stamps: dict[str, Any] = {}
        if "created_at" in table.c:
            stamps["created_at"] = now() - timedelta(seconds=len(self.rows.get(table, [])))
        if "id" in table.c and table.c.id.autoincrement is not True:
            stamps["id"] = new_id()
        self.rows.setdefault(table, []).append({**stamps, **values})
        if "id" in stamps:
            self._ids.setdefault(table, []).append(stamps["id"])
        return str(stamps.get("id", ""))

    def _id(self, table: Table, number: int = 0) -> str:
        return self._ids[table][number]

    def types(self) -> None:
        """The first with many extra specs; a private one with many projects."""
        for number in range(self.count):
            self._add(t.share_types, name=f"type-{number}", description=None, is_public=True)
        private = self._add(t.share_types, name="private", description=None, is_public=False)
        self._add(t.share_type_projects, share_type_id=private, project_id=PROJECT)
        for number in range(self.count):
            self._add(t.share_type_projects, share_type_id=private, project_id=f"project-{number}")
            for key, value in _POWERS.items():
                type_id = self._id(t.share_types, number)
                self._add(t.share_type_extra_specs, share_type_id=type_id, key=key, value=value)
        first = self._id(t.share_types)
        for number in range(self.count):
            self._add(t.share_type_extra_specs, share_type_id=first, key=f"key-{number}", value="x")
        self.names |= {"type": first, "private": private, "spec": "snapshot_support"}

    def zones_and_pools(self) -> None:
        """Each zone with a service and a pool."""
        for number in range(self.count):
            zone, host = f"zone-{number}", f"node{number}@one"
            self._add(t.availability_zones, name=zone)
            self._add(
                t.services, host=host, binary="manila-share", availability_zone=zone,
                disabled=False, seen_at=now(),
            )  # fmt: skip
            self._add(
                t.pools, host=host, name="main", backend="one", driver_mode="flat_multi_svm",
                availability_zone=zone, protocols=["NFS"], makes_networks=False, total_gib=9.0,
                free_gib=9.0, capabilities={"snapshot_support": True}, reported_at=now(),
            )  # fmt: skip

    def networks(self) -> None:
        """Share networks, each with a subnet and a security service; the first with many."""
        for number in range(self.count):
            network = self._add(
                t.share_networks, project_id=PROJECT, name=f"net-{number}", status="active",
                is_public=number == 0, default_slot=1 if number == 0 else None,
            )  # fmt: skip
            self._subnet(network, number, "zone-0")
        for number in range(1, self.count):
            self._subnet(self._id(t.share_networks), number, f"zone-{number}")
        for number in range(self.count):
            network = self._id(t.share_networks, number)
            service = self._add(
                t.security_services, project_id=PROJECT, type="ldap", name=f"service-{number}"
            )
            self._add(
                t.share_network_security_services, share_network_id=network,
                security_service_id=service, type="ldap",
            )  # fmt: skip
        self.names |= {
            "network": self._id(t.share_networks),
            "subnet": self._id(t.share_network_subnets),
            "service": self._id(t.security_services),
            "key": "key-0",
        }

    def _subnet(self, network: str, number: int, zone: str) -> None:
        subnet = self._add(
            t.share_network_subnets, share_network_id=network, availability_zone=zone,
            neutron_net_id=f"net-{number}", neutron_subnet_id=f"sub-{number}",
            metadata={f"key-{item}": "x" for item in range(self.count)},
        )  # fmt: skip
        self._add(
            t.segments, section="net", subnet_key=subnet, network_type="vxlan",
            segmentation_id=number + 1, mtu=1450,
            subnets=[{"cidr": "10.7.0.0/24", "gateway": "10.7.0.1", "routes": []}],
        )  # fmt: skip

    def servers(self) -> None:
        """One on each share network."""
        for number in range(self.count):
            server = self._add(
                t.share_servers, project_id=PROJECT, host="node0@one", availability_zone="zone-0",
                share_network_id=self._id(t.share_networks, number), slot=0, status="active",
                details={f"detail-{item}": "x" for item in range(self.count)},
            )  # fmt: skip
            self._add(
                t.allocations, share_server_id=server, section="net", label="user", index=0,
                subnet_key=self._id(t.share_network_subnets, number),
            )  # fmt: skip
        self.names["server"] = self._id(t.share_servers)

    def shares(self) -> None:
        """Each with metadata, an export location, a rule and a transfer; the first with many."""
        for number in range(self.count):
            network = self._id(t.share_networks, number)
            share = self._add(
                t.shares, project_id=PROJECT, user_id="alice", name=f"share-{number}", size=1,
                share_proto="NFS", share_type_id=self._id(t.share_types, number),
                share_network_id=network, effective_share_network_id=network, is_public=False,
            )  # fmt: skip
            self._add(
                t.share_instances, share_id=share, primary_slot=1, status="available",
                access_rules_status="active", progress="100%", host="node0@one", pool="main",
                availability_zone="zone-0", wanted_size=1, made=True, export_id=1,
                share_server_id=self._id(t.share_servers, number),
            )  # fmt: skip
            self._beside_share(number, "key-0")
            self._add(
                t.share_transfers, project_id=PROJECT, user_id="alice", name=None, share_id=share,
                key_hash="x" * 64, expires_at=now() + timedelta(hours=1),
            )  # fmt: skip
        for number in range(1, self.count):
            self._beside_share(0, f"key-{number}")
        self.names |= {
            "share": self._id(t.shares),
            "instance": self._id(t.share_instances),
            "location": self._id(t.export_locations),
            "rule": self._id(t.access_rules),
            "transfer": self._id(t.share_transfers),
        }

    def _beside_share(self, number: int, key: str) -> None:
        share, instance = self._id(t.shares, number), self._id(t.share_instances, number)
        self._add(t.share_metadata, share_id=share, key=key, value="x")
        self._add(
            t.export_locations, share_instance_id=instance, path=f"10.0.0.1:/{number}/{key}",
            preferred=True, is_admin_only=False,
        )  # fmt: skip
        self._add(
            t.access_rules, share_id=share, access_type="ip", access_to=f"10.0.0.0/{key}",
            access_level="rw", state="active", metadata={},
        )  # fmt: skip

    def snapshots(self) -> None:
        """One of each share; the first with much metadata."""
        for number in range(self.count):
            snapshot = self._add(
                t.snapshots, project_id=PROJECT, user_id="alice", name=f"snapshot-{number}",
                share_id=self._id(t.shares, number), size=1, share_size=1, share_proto="NFS",
            )  # fmt: skip
            self._add(
                t.snapshot_instances, snapshot_id=snapshot, primary_slot=1, status="available",
                progress="100%", share_instance_id=self._id(t.share_instances, number),
            )  # fmt: skip
            self._add(t.snapshot_metadata, snapshot_id=snapshot, key="key-0", value="x")
        first = self._id(t.snapshots)
        for number in range(1, self.count):
            self._add(t.snapshot_metadata, snapshot_id=first, key=f"key-{number}", value="x")
        self.names |= {
            "snapshot": first,
            "snapshot_instance": self._id(t.snapshot_instances),
        }

    def others(self) -> None:
        """User messages, and what audits found."""
        for _ in range(self.count):
            self._add(
                t.messages, project_id=PROJECT, request_id="req-1", resource_type="SHARE",
                resource_id=self.names["share"], action_id="001", detail_id="008",
                message_level="ERROR", user_message="No backend has room.",
                expires_at=now() + timedelta(days=1),
            )  # fmt: skip
        for number in range(self.count):
            self._add(t.audits, host=f"node{number}@one", finished_at=now())
            self._add(
                t.findings, host="node0@one", kind="share", resource_id=f"share-{number}",
                direction="missing_in_world", detail="gone", first_seen=now(), last_seen=now(),
            )  # fmt: skip
        self.names |= {"message": self._id(t.messages), "finding": self._id(t.findings)}
