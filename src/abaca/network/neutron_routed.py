"""Connectivity ``routed``: a service network per share network subnet, on the tenant's router.

The service network's name has our tag and the subnet's key, so it is found again
by whoever needs it. Neutron allows two networks of one name: where two processes
made one at the same time, both keep the same one of them and delete the other.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from ipaddress import ip_network

from abaca.errors import InvalidNetwork, NetworkNotFound, NetworkUnavailable
from abaca.network import ipam
from abaca.network.neutron_config import Carving
from abaca.network.neutron_errors import QuotaUsedUp
from abaca.network.neutron_networks import Networks, Place
from abaca.network.neutron_remote import Remote
from abaca.network.neutron_values import (
    ROUTER_INTERFACES,
    NeutronNetwork,
    NeutronPort,
    NeutronSubnet,
)
from abaca.network.plugin import IPNetwork, Route, SubnetRef

NEVER = datetime.max.replace(tzinfo=UTC)
SERVES_SUBNET = ("network:dhcp", "network:distributed")
"""Ports that Neutron makes and removes by itself."""


class ServiceNetworks:
    """The networks that we make in Neutron, and their interfaces on routers of tenants."""

    def __init__(
        self, owner_tag: str, carving: Carving, networks: Networks, remote: Remote
    ) -> None:
        self._prefix = f"{owner_tag}/"
        self._carving = carving
        self._networks = networks
        self._remote = remote

    def place(self, subnet: SubnetRef) -> Place:
        """The service network of this subnet; NetworkNotFound if it is not made (any more)."""
        network = self._find(subnet.key)
        if network is None or not network.subnet_ids:
            raise NetworkNotFound(f"no network was made for share network subnet {subnet.key} yet")
        subnets = self._remote.subnets(network_id=network.id)
        if len({item.value.cidr.version for item in subnets}) < len(subnets):
            # Others are making it: each looks again after, and the later subnet goes.
            raise NetworkUnavailable(f"network {network.id} is being made by several at once")
        return self._networks.place(network, subnets)

    def ensure(self, subnet: SubnetRef) -> None:
        """Network, subnets and the router's interface on each exist; idempotent."""
        tenant = self._networks.tenants(subnet)
        router_port = self._router_port(tenant)
        network = self._find(subnet.key)
        if network is None:
            self._make_network(subnet.key)
            # Another process may have made one too: both look again, and keep the same.
            network = self._find(subnet.key)
            if network is None:
                raise NetworkUnavailable(f"the network of {subnet.key} has just gone")
        found = self._carved(network, router_port)
        joined = self._joined(network.id)
        for item in found:
            if item.id not in joined:
                self._join(item, router_port.device_id)

    def _carved(self, network: NeutronNetwork, router_port: NeutronPort) -> list[NeutronSubnet]:
        """Its subnets, one per supernet; those that are missing are made."""
        found = self._subnets(network)
        have = {item.value.cidr.version for item in found}
        missing = [part for part in self._carving.supernets if part[0].version not in have]
        for supernet, prefix in missing:
            self._make_subnet(network, supernet, prefix, router_port)
        if not missing:
            return found
        # As with the network: who made one too looks again, and keeps the same.
        found = self._subnets(network)
        have = {item.value.cidr.version for item in found}
        if any(supernet.version not in have for supernet, _ in missing):
            raise NetworkUnavailable(f"a subnet of network {network.id} has just gone")
        return found

    def _find(self, key: str) -> NeutronNetwork | None:
        """The network of that subnet key; surplus ones go, unless they are in use."""
        found = self._ours(name=f"{self._prefix}{key}")
        found.sort(key=lambda item: (not item.subnet_ids, item.created_at or NEVER, item.id))
        for surplus in found[1:]:
            self._remote.delete_network(surplus.id)
        return found[0] if found else None

    def _ours(self, **query: str) -> list[NeutronNetwork]:
        found = self._remote.networks(project_id=self._remote.project_id(), **query)
        return [
            item
            for item in found
            if item.name.startswith(self._prefix)
            and item.description == _description(item.name.removeprefix(self._prefix))
        ]

    def _make_network(self, key: str) -> None:
        body: dict[str, object] = {
            "name": f"{self._prefix}{key}",
            "description": _description(key),
        }
        if self._carving.network_type:
            body["provider:network_type"] = self._carving.network_type
        if self._carving.physical_network:
            body["provider:physical_network"] = self._carving.physical_network
        self._remote.create_network(body)

    def _subnets(self, network: NeutronNetwork) -> list[NeutronSubnet]:
        """One per IP version; of two that were made at once, the later one goes.

        Unless the router has an interface on it already: that one can't go, and the other can.
        """
        found = self._remote.subnets(network_id=network.id)
        if len({item.value.cidr.version for item in found}) == len(found):
            return found
        joined = self._joined(network.id)
        found.sort(key=lambda item: (item.id not in joined, item.created_at or NEVER, item.id))
        kept: dict[int, NeutronSubnet] = {}
        for item in found:
            if kept.setdefault(item.value.cidr.version, item) is not item:
                self._remote.delete_subnet(item.id)
        return list(kept.values())

    def _joined(self, network_id: str) -> set[str]:
        """IDs of the subnets on which a router has an interface."""
        return {where for port in self._interfaces(network_id) for where, _ in port.addresses}

    def _make_subnet(
        self, network: NeutronNetwork, supernet: IPNetwork, prefix: int, router_port: NeutronPort
    ) -> None:
        avoid = self._avoid(router_port.device_id)
        cidr = ipam.carve(supernet, prefix, avoid)
        if cidr is None:
            busy = ", ".join(sorted(str(item) for item in avoid if item.overlaps(supernet)))
            raise InvalidNetwork(
                f"no /{prefix} of {supernet} is free beside {busy}, which the tenant's router "
                f"{router_port.device_id} reaches or share servers use; configure another or a "
                "larger service_cidr"
            )
        body = {
            "network_id": network.id,
            "name": network.name,
            "description": network.description,
            "ip_version": cidr.version,
            "cidr": str(cidr),
            "gateway_ip": str(cidr[1]),
            "enable_dhcp": False,
        }
        try:
            self._remote.create_subnet(body)
        except NetworkNotFound as error:
            raise NetworkUnavailable(f"network {network.id} has just gone") from error
        except InvalidNetwork:
            # Another process may have been faster with the same one.
            if not any(item.value.cidr.version == cidr.version for item in self._subnets(network)):
                raise

    def _avoid(self, router_id: str) -> list[IPNetwork]:
        """What the router reaches already, and what other service networks have."""
        where = {place for port in self._router_ports(router_id) for place, _ in port.addresses}
        near = self._remote.subnets(id=sorted(where)) if where else []
        ours = [
            item
            for item in self._remote.subnets(project_id=self._remote.project_id())
            if item.name.startswith(self._prefix)
        ]
        routes = [ip_network(item) for item in self._remote.router_routes(router_id)]
        # A default route reaches everything, and is in nobody's way.
        return [
            *(item.value.cidr for item in (*near, *ours)),
            *(item for item in routes if item.prefixlen > 0),
        ]

    def _join(self, subnet: NeutronSubnet, router_id: str) -> None:
        """The router has the gateway address of the subnet."""
        try:
            self._remote.add_interface(router_id, subnet.id)
        except NetworkNotFound as error:
            raise NetworkUnavailable(f"router {router_id} or our subnet has just gone") from error
        except QuotaUsedUp as error:
            raise QuotaUsedUp(
                f"the tenant's router {router_id} can't have an interface on the service subnet "
                f"{subnet.value.cidr}: {error}; the project is the router's",
                told="The quota of ports of your project in the network service is used up, and "
                "its router needs one more: delete ports, or ask for a higher quota.",
            ) from error
        except InvalidNetwork as error:
            if any(port.device_id == router_id for port in self._interfaces(subnet.network_id)):
                return
            # The tenant connected a network that overlaps since we chose ours.
            if not self._others(subnet.network_id):
                self._remote.delete_subnet(subnet.id)
            raise InvalidNetwork(
                f"the tenant's router {router_id} does not take the service subnet "
                f"{subnet.value.cidr}: {error}"
            ) from error

    def _router_port(self, tenant: Place) -> NeutronPort:
        """The tenant's router, by its port: the gateway's before others."""
        where = {item.id: item.value.gateway for item in tenant.subnets}
        found = [
            port
            for port in self._interfaces(tenant.network.id)
            if any(place in where for place, _ in port.addresses)
        ]
        cidrs = ", ".join(str(item.value.cidr) for item in tenant.subnets)
        if not found:
            raise InvalidNetwork(
                f"subnet {cidrs} of network {tenant.network.id} has no router; connectivity is "
                "routed: make a router, and add an interface on this subnet to it"
            )
        gateways = [
            port
            for port in found
            if any(where.get(place) == address for place, address in port.addresses)
        ]
        return min(gateways or found, key=lambda port: (port.device_id, port.id))

    def _interfaces(self, network_id: str) -> list[NeutronPort]:
        """Ports of routers on a network."""
        found = self._remote.ports(network_id=network_id, device_owner=ROUTER_INTERFACES)
        return [port for port in found if port.device_id]

    def _router_ports(self, router_id: str) -> list[NeutronPort]:
        return self._remote.ports(device_id=router_id)

    def _others(self, network_id: str) -> list[NeutronPort]:
        """Ports on a network besides those of routers and of Neutron itself."""
        return [
            port
            for port in self._remote.ports(network_id=network_id)
            if port.device_owner not in ROUTER_INTERFACES
            and not port.device_owner.startswith(SERVES_SUBNET)
        ]

    def joined(self, network_id: str, *, active: bool) -> None:
        """Return if a router is on the network; NetworkUnavailable if not (yet)."""
        found = self._interfaces(network_id)
        if not found:
            raise NetworkUnavailable(f"no router has an interface on our network {network_id}")
        if active and not all(port.status == "ACTIVE" for port in found):
            raise NetworkUnavailable(f"the router's port on {network_id} is not ACTIVE yet")

    def remove(self, key: str) -> bool:
        """Interface and network are gone, unless a share server is on it; True if so."""
        for network in self._ours(name=f"{self._prefix}{key}"):
            if self._others(network.id):
                return False
            for port in self._interfaces(network.id):
                self._remote.remove_interface(port.device_id, port.id)
            try:
                self._remote.delete_network(network.id)
            except NetworkUnavailable:
                if not self._others(network.id):
                    raise
                # A share server has come meanwhile; its `ensure` joins the network again.
                return False
        return True

    def collect(self, keys: Collection[str], older_than: datetime) -> list[str]:
        """Remove networks of ours of a known age whose subnet key nobody needs."""
        lost = self._unneeded(keys, older_than)
        return [_told(network, key) for network, key in lost if self.remove(key)]

    def orphans(
        self, keys: Collection[str], older_than: datetime, ports: Collection[str]
    ) -> list[str]:
        """What `collect` would remove, once these ports are gone."""
        return [
            _told(network, key)
            for network, key in self._unneeded(keys, older_than)
            if all(port.id in ports for port in self._others(network.id))
        ]

    def _unneeded(
        self, keys: Collection[str], older_than: datetime
    ) -> list[tuple[NeutronNetwork, str]]:
        """Networks of ours of a known age, each with its subnet key, that nobody needs."""
        return [
            (network, key)
            for network in self._ours()
            if (key := network.name.removeprefix(self._prefix)) not in keys
            and network.created_at is not None
            and network.created_at < older_than
        ]

    def tenant_routes(self, subnet: SubnetRef) -> tuple[Route, ...]:
        """How machines on the tenant's subnet reach ours, if its router is not their gateway."""
        tenant = self._networks.tenants(subnet)
        port = self._router_port(tenant)
        return tuple(
            Route(destination=ours.cidr, next_hop=address)
            for ours in self.place(subnet).segment.subnets
            for theirs in tenant.subnets
            if (address := port.address_in(theirs.id)) is not None
            and address.version == ours.cidr.version
            and address != theirs.value.gateway
        )


def _told(network: NeutronNetwork, key: str) -> str:
    return f"network {network.id} of share network subnet {key}"


def _description(key: str) -> str:
    """Neutron's users read it; and a network that has our name by chance lacks it."""
    return f"Made by Abaca for the share servers of share network subnet {key}"
