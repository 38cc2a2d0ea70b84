"""Which Neutron network and subnets are meant, may they be used, and what are they on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from abaca.errors import InvalidNetwork, NetworkNotFound
from abaca.network.neutron_config import Settings
from abaca.network.neutron_remote import Remote
from abaca.network.neutron_values import NeutronNetwork, NeutronSegment, NeutronSubnet
from abaca.network.plugin import NetworkType, Segment, SubnetRef

DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where ports are made: a network, and one of its subnets per IP version."""

    network: NeutronNetwork
    subnets: tuple[NeutronSubnet, ...]
    segment: Segment


class Networks:
    """Finds networks as configured, or as a share network names them."""

    def __init__(self, settings: Settings, remote: Remote) -> None:
        self._settings = settings
        self._remote = remote

    def flat(self) -> Place:
        """The configured network."""
        section, wanted = self._settings.section, self._settings.network or ""
        network = self._named(wanted)
        subnets = self._remote.subnets(network_id=network.id)
        if self._settings.subnets:
            subnets = [_choose(subnets, text, section) for text in self._settings.subnets]
        advice = f"name one in [{section}] subnet"
        segment = self._segment(network, subnets, advice=advice, blind=True)
        return Place(network=network, subnets=_sorted(subnets), segment=segment)

    def _named(self, wanted: str) -> NeutronNetwork:
        try:
            return self._remote.network(wanted)
        except NetworkNotFound:
            found = self._remote.networks(name=wanted)
        if not found:
            raise InvalidNetwork(
                f"[{self._settings.section}] network: Neutron has no network {wanted!r} that this "
                "user may see; write the ID or the name of one"
            )
        if len(found) > 1:
            raise InvalidNetwork(
                f"[{self._settings.section}] network: {len(found)} networks have the name "
                f"{wanted!r}; write the ID of one"
            )
        return found[0]

    def tenants(self, subnet: SubnetRef) -> Place:
        """The network that a share network subnet names, if its project may use it."""
        if not subnet.project_id or not subnet.net_id:
            raise InvalidNetwork(
                f"share network subnet {subnet.key} names no Neutron network; make one with "
                "neutron_net_id and neutron_subnet_id"
            )
        network = self._remote.network(subnet.net_id)
        if not self._may_use(network, subnet.project_id):
            # The same words as for one that is not there: whose it is, is nobody's business.
            raise NetworkNotFound(f"Network {subnet.net_id} could not be found.")
        subnets = self._remote.subnets(network_id=network.id)
        if subnet.subnet_id:
            subnets = [item for item in subnets if item.id == subnet.subnet_id]
            if not subnets:
                raise NetworkNotFound(
                    f"network {network.id} has no subnet {subnet.subnet_id}; make a share network "
                    "subnet with a neutron_subnet_id of that network"
                )
        segment = self._segment(network, subnets, advice="name one as neutron_subnet_id")
        return Place(network=network, subnets=_sorted(subnets), segment=segment)

    def _may_use(self, network: NeutronNetwork, project_id: str) -> bool:
        def same(other: str) -> bool:
            return other.replace("-", "") == project_id.replace("-", "")

        if network.shared or same(network.project_id):
            return True
        return any(item == "*" or same(item) for item in self._remote.shared_with(network.id))

    def place(self, network: NeutronNetwork, subnets: list[NeutronSubnet]) -> Place:
        """A network of our own making."""
        segment = self._segment(network, subnets, advice="remove the others")
        return Place(network=network, subnets=_sorted(subnets), segment=segment)

    def _segment(
        self,
        network: NeutronNetwork,
        subnets: list[NeutronSubnet],
        *,
        advice: str,
        blind: bool = False,
    ) -> Segment:
        """What it is. ``blind``: provider attributes that can't be seen don't matter."""
        what = f"network {network.name or network.id}"
        if not subnets:
            raise InvalidNetwork(f"{what} has no subnet; make one in Neutron")
        versions = [item.value.cidr.version for item in subnets]
        for version in set(versions):
            if versions.count(version) > 1:
                raise InvalidNetwork(
                    f"{what} has {versions.count(version)} IPv{version} subnets; {advice}"
                )
        wire = self._wire(network, what)
        kind = NetworkType.FLAT if wire.network_type is None and blind else _kind(wire, what)
        return Segment(
            network_type=kind,
            segmentation_id=wire.segmentation_id,
            physical_network=wire.physical_network,
            mtu=network.mtu or DEFAULT_MTU,
            subnets=tuple(item.value for item in _sorted(subnets)),
        )

    def _wire(self, network: NeutronNetwork, what: str) -> NeutronSegment:
        if len(network.segments) == 1:
            return network.segments[0]
        wanted = self._settings.physical_network
        found = [item for item in network.segments if item.physical_network == wanted]
        if wanted and len(found) == 1:
            return found[0]
        have = ", ".join(sorted(str(item.physical_network) for item in network.segments))
        raise InvalidNetwork(
            f"{what} has {len(network.segments)} segments, on {have}; write one of these as "
            f"physical_network in [{self._settings.section}]"
        )


def _kind(wire: NeutronSegment, what: str) -> NetworkType:
    if wire.network_type is None:
        raise InvalidNetwork(
            f"Neutron does not show the provider attributes of {what}: the configured user needs "
            "the admin or service role (policy get_network:provider:network_type)"
        )
    try:
        return NetworkType(wire.network_type)
    except ValueError as error:
        raise InvalidNetwork(
            f"{what} is of type {wire.network_type}, which no share server can be attached to; "
            f"use one of {', '.join(NetworkType)}"
        ) from error


def _choose(subnets: list[NeutronSubnet], text: str, section: str) -> NeutronSubnet:
    found = [item for item in subnets if item.id == text]
    found = found or [item for item in subnets if item.name == text]
    if len(found) == 1:
        return found[0]
    problem = "several subnets have that name" if found else "the network has no such subnet"
    raise InvalidNetwork(f"[{section}] subnet: {text!r}: {problem}; write the ID of one of its")


def _sorted(subnets: list[NeutronSubnet]) -> tuple[NeutronSubnet, ...]:
    """IPv4 first: the same order on every call."""
    return tuple(sorted(subnets, key=lambda item: item.value.cidr.version))
