"""What the demonstration tries, for each backend and for the service."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from abaca.demo import nfs
from abaca.demo.report import Report
from abaca.demo.service import Service
from abaca.demo.topology import Machine, Topology

WAIT_SECONDS = 60
SMALL = 3000
"""Bytes of a test file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One backend, and how its share network is made (None: a share needs none)."""

    backend: str
    mode: str
    network: str
    """Which of the machine's addresses the share server sees."""
    share_network: str | None
    """``any`` (no network IDs), or the name of the tenant's registered network."""
    route: str | None = None
    """CIDR that the machine reaches through a router of ours."""

    @property
    def title(self) -> str:
        """Shown in the report; one mode may be shown on two backends."""
        return f"{self.mode}/{self.backend}"


SETTINGS = (
    Setting(backend="site", mode="single_svm", network="site", share_network=None),
    Setting(backend="cluster1", mode="flat_multi_svm", network="flat1", share_network="any"),
    Setting(backend="cluster2", mode="flat_multi_svm", network="flat2", share_network="any"),
    Setting(backend="direct", mode="managed_multi_svm", network="direct", share_network="direct"),
    Setting(backend="vlan", mode="managed_multi_svm", network="vlan", share_network="vlan"),
    Setting(
        backend="routed",
        mode="managed_multi_svm",
        network="routed",
        share_network="routed",
        route="10.254.0.0/16",
    ),
)


@dataclass(slots=True)
class Scenario:
    """Two projects, a machine each, and a share for alice on every backend."""

    report: Report
    service: Service
    topology: Topology
    clients: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)

    def run(self, config: str) -> None:
        """All of it, in order, by a service of this configuration; `Report` holds the result."""
        self.report.modes = list(dict.fromkeys(setting.mode for setting in SETTINGS))
        if not self._service(config):
            return
        for setting in SETTINGS:
            self._backend(setting)
        self._servers()
        self._delete()

    def _service(self, config: str) -> bool:
        """Start it, with users and types; False if there is nothing to show on."""
        with self.report.check("abaca serve answers") as seen:
            self.service.prepare(config)
            seen["max_version"] = self.service.start()
        with self.report.check("administrator, projects and users") as seen:
            admin = self.service.client("admin", self.service.admin_password)
            self.clients["admin"] = admin
            for name in self.topology.machines:
                password = self.service.add_tenant(name)
                self.clients[name] = self.service.client(name, password)
            seen["projects"] = ", ".join(self.topology.machines)
        with self.report.check("share types, one per backend") as seen:
            for setting in SETTINGS:
                self.clients["admin"].share_types.create(
                    setting.backend,
                    setting.mode != "single_svm",
                    spec_snapshot_support=True,
                    extra_specs={
                        "driver_mode": setting.mode,
                        "share_backend_name": setting.backend,
                        "revert_to_snapshot_support": "True",
                        "create_share_from_snapshot_support": "True",
                    },
                )
            seen["types"] = str(len(self.clients["alice"].share_types.list()))
        return not self.report.failed

    def _backend(self, setting: Setting) -> None:
        alice, bob = self.topology.machines["alice"], self.topology.machines["bob"]
        mode = setting.mode
        with self.report.check(f"{setting.backend}: share and access rule", mode=mode,
                               project="alice") as seen:  # fmt: skip
            self._create(setting, alice, seen)
        export = self.exports.get(setting.backend)
        if export is None:
            return
        with self.report.check("write and read through NFS", mode=mode, project="alice") as seen:
            self._write_read(setting, alice, export, seen)
        with self.report.check("the other project's machine is refused", mode=mode,
                               project="bob") as seen:  # fmt: skip
            seen["refused_with"] = nfs.refusal(bob, export)
        with self.report.check("snapshot, write, revert", mode=mode, project="alice") as seen:
            self._snapshot(setting, alice, export, seen)
        with self.report.check("extend to 2 GiB", mode=mode, project="alice") as seen:
            share = self.shares[setting.backend]
            share.extend(2)
            seen["size"] = f"{self._wait(share).size} GiB"

    def _create(self, setting: Setting, machine: Machine, seen: dict[str, str]) -> None:
        client = self.clients["alice"]
        network = None
        if setting.share_network:
            known = setting.share_network != "any"
            network = client.share_networks.create(
                name=setting.backend,
                neutron_net_id=setting.share_network if known else None,
                neutron_subnet_id=setting.share_network if known else None,
            )
        share = client.shares.create(
            "NFS", 1, name=setting.backend, share_type=setting.backend, share_network=network
        )
        self.shares[setting.backend] = share
        share = self._wait(share)
        client.shares.allow(share, "ip", machine.address(setting.network), "rw")
        self._wait(share, "access_rules_status", "active")
        export = str(client.share_export_locations.list(share)[0].path)
        self.exports[setting.backend] = seen["export"] = export
        if setting.route:
            router = self._router(setting)
            machine.run("ip", "route", "replace", setting.route, "via", router)
            seen["router"] = router

    def _router(self, setting: Setting) -> str:
        """Our router's address on the tenant's network, as the administrator's view shows it."""
        servers = self.clients["admin"].share_servers.list()
        for server in servers:
            if server.host.endswith(f"@{setting.backend}"):
                details = self.clients["admin"].share_servers.get(server.id).backend_details
                return str(details["tenant_routes"]).rpartition(" via ")[2]
        raise LookupError(f"there is no share server on {setting.backend}")

    def _write_read(
        self, setting: Setting, machine: Machine, export: str, seen: dict[str, str]
    ) -> None:
        data = secrets.token_bytes(SMALL)
        wrote = nfs.write(machine, export, "hello", data)
        read = nfs.read(machine, export, "hello")
        seen["sha256"] = read[:16]
        if wrote != read:
            raise AssertionError(f"{setting.backend}: wrote {wrote}, read {read}")

    def _snapshot(
        self, setting: Setting, machine: Machine, export: str, seen: dict[str, str]
    ) -> None:
        client = self.clients["alice"]
        share = self.shares[setting.backend]
        before = nfs.read(machine, export, "hello")
        snapshot = self._wait(client.share_snapshots.create(share, name="before"))
        nfs.write(machine, export, "later", secrets.token_bytes(SMALL))
        client.shares.revert_to_snapshot(share, snapshot)
        self._wait(share)
        seen["reverted"] = nfs.read(machine, export, "hello")[:16]
        if not before.startswith(seen["reverted"]) or nfs.can_read(machine, export, "later"):
            raise AssertionError("the share is not as it was when the snapshot was taken")

    def _servers(self) -> None:
        admin = self.clients["admin"]
        rows: list[tuple[str, ...]] = []
        mode_of = {setting.backend: setting.mode for setting in SETTINGS}
        with self.report.check("each multi-mode share has a server of its project") as seen:
            for item in admin.share_servers.list():
                server = admin.share_servers.get(item.id)
                details = server.backend_details
                rows.append(
                    (
                        server.host,
                        mode_of[server.host.partition("@")[2]],
                        server.status,
                        str(getattr(server, "network_type", "") or details.get("network_type")),
                        str(details.get("segmentation_id") or "-"),
                        str(details.get("addresses") or ""),
                    )
                )
            seen["servers"] = str(len(rows))
            expected = sum(setting.share_network is not None for setting in SETTINGS)
            if len(rows) != expected:
                raise AssertionError(f"{len(rows)} servers, not {expected}")
        columns = ("backend", "mode", "status", "network", "segment", "addresses")
        self.report.table("Share servers, as an administrator sees them", columns, rows)

    def _delete(self) -> None:
        client = self.clients["alice"]
        with self.report.check("delete everything", project="alice") as seen:
            for snapshot in client.share_snapshots.list():
                snapshot.delete()
            self._until("snapshots are gone", lambda: not client.share_snapshots.list())
            for share in client.shares.list():
                share.delete()
            self._until("shares are gone", lambda: not client.shares.list())
            admin = self.clients["admin"]
            self._until("share servers are gone", lambda: not admin.share_servers.list())
            for network in client.share_networks.list():
                network.delete()
            seen["shares"] = str(len(client.shares.list()))

    def _wait(self, item: Any, key: str = "status", wanted: str = "available") -> Any:  # noqa: ANN401
        """The item once it has the status wanted; AssertionError with its messages if it fails."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            item = item.manager.get(item.id)
            value = getattr(item, key)
            if value == wanted:
                return item
            if "error" in value or time.monotonic() > deadline:
                messages = self.clients["alice"].messages.list(search_opts={"resource_id": item.id})
                told = "; ".join(message.user_message for message in messages)
                raise AssertionError(f"{item.id}: {key} is {value}. {told}")
            time.sleep(0.1)

    @staticmethod
    def _until(what: str, true: Any) -> None:  # noqa: ANN401
        deadline = time.monotonic() + WAIT_SECONDS
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")
            time.sleep(0.1)
