"""From what the helper gives to interfaces in a server's namespace."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import cast

from abaca.drivers.driver import ADMIN_WIRE
from abaca.drivers.linux.layout import InterfaceRecord, NetworkRecord, Place, load, save
from abaca.errors import LinuxError
from abaca.linux.fabric import LinuxFabric
from abaca.linux.firewall import Apart
from abaca.linux.links import IPAddress, name_for
from abaca.linux.wire import Wire
from abaca.modes import DriverMode
from abaca.network.helper import FlatHelper, HelperAddress, HelperInterface, ManagedHelper
from abaca.network.plugin import NetworkType
from abaca.steps import step


def wanted_network(mode: DriverMode, helper: FlatHelper | ManagedHelper) -> NetworkRecord:
    """The interfaces that the server must have: one in flat mode, one per segment in managed.

    The one on the administrators' network comes last.
    """
    if mode is DriverMode.FLAT:
        interfaces = [_flat(cast("FlatHelper", helper).addresses(1))]
    else:
        interfaces = [_managed(item) for item in cast("ManagedHelper", helper).interfaces(1)]
    if helper.admin is not None:
        interfaces.append(_flat(helper.admin.addresses(1), admin=True))
    return NetworkRecord(interfaces=tuple(interfaces))


def kept_apart(network: NetworkRecord) -> list[Apart]:
    """The administrators' interface, if there is one: what it must have nothing to do with."""
    return [
        Apart(
            name=item.name,
            addresses=_plain(item),
            others=tuple(
                one for other in network.interfaces if other is not item for one in _plain(other)
            ),
        )
        for item in network.interfaces
        if item.admin
    ]


def _plain(item: InterfaceRecord) -> tuple[IPAddress, ...]:
    return tuple(ip_interface(text).ip for text in item.addresses)


def record_interfaces(place: Place, wanted: NetworkRecord) -> list[InterfaceRecord]:
    """They are known besides those that are to leave, which are returned.

    Both are recorded before the first is touched, so that none is forgotten by a crash.
    """
    known = load(place.network_path, NetworkRecord)
    leaving = [] if known is None else [i for i in known.interfaces if i not in wanted.interfaces]
    both = NetworkRecord(interfaces=(*wanted.interfaces, *leaving))
    if both != known:
        save(place.network_path, both)
    return leaving


@step("server.create.interfaces")
def ensure_interfaces(place: Place, fabric: LinuxFabric, wanted: NetworkRecord) -> None:
    """The namespace has exactly these interfaces."""
    leaving = record_interfaces(place, wanted)
    staying = {item.name for item in wanted.interfaces}
    _detach(place, fabric, [item for item in leaving if item.name not in staying])
    for item in wanted.interfaces:
        _attach(place, fabric, item)
    if leaving:
        save(place.network_path, wanted)


@step("server.delete.interfaces")
def remove_interfaces(place: Place, fabric: LinuxFabric) -> None:
    """None of the server's interfaces is left, nor what only they needed."""
    known = load(place.network_path, NetworkRecord)
    if known is not None:
        _detach(place, fabric, known.interfaces)


def _flat(addresses: Sequence[HelperAddress], *, admin: bool = False) -> InterfaceRecord:
    return _interface(
        network_type=NetworkType.FLAT,
        segmentation_id=None,
        physical_network=ADMIN_WIRE if admin else None,
        mtu=min(item.subnet.mtu for item in addresses),
        mac_address=None,
        addresses=addresses,
        admin=admin,
    )


def _managed(item: HelperInterface) -> InterfaceRecord:
    return _interface(
        network_type=item.segmentation_type,
        segmentation_id=item.segmentation_id,
        physical_network=item.physical_network,
        mtu=item.mtu,
        mac_address=item.mac_address,
        addresses=item.addresses,
    )


def _interface(
    *,
    network_type: NetworkType,
    segmentation_id: int | None,
    physical_network: str | None,
    mtu: int,
    mac_address: str | None,
    addresses: Sequence[HelperAddress],
    admin: bool = False,
) -> InterfaceRecord:
    subnets = [item.subnet for item in addresses]
    first = addresses[0].address
    return InterfaceRecord(
        name=name_for("s", network_type.value, segmentation_id, physical_network, first),
        network_type=network_type.value,
        segmentation_id=segmentation_id,
        physical_network=physical_network,
        mtu=mtu,
        mac_address=mac_address,
        addresses=tuple(f"{item.address}/{item.subnet.prefix_length}" for item in addresses),
        gateways=tuple(str(item.gateway) for item in subnets if item.gateway is not None),
        routes=tuple(
            (str(route.destination), str(route.next_hop))
            for item in subnets
            for route in item.routes
        ),
        admin=admin,
    )


def _attach(place: Place, fabric: LinuxFabric, item: InterfaceRecord) -> None:
    fabric.attach(
        wire_of(item),
        netns=namespace_of(place),
        interface=item.name,
        mac=item.mac_address,
        addresses=tuple(ip_interface(text) for text in item.addresses),
        gateways=tuple(ip_address(text) for text in item.gateways),
        routes=tuple((ip_network(to), ip_address(by)) for to, by in item.routes),
        apart=item.admin,
    )


def _detach(place: Place, fabric: LinuxFabric, items: Sequence[InterfaceRecord]) -> None:
    for item in items:
        fabric.detach(namespace_of(place), item.name, wire_of(item))


def wire_of(item: InterfaceRecord) -> Wire:
    """The wire that the interface is on."""
    return Wire(
        network_type=item.network_type,
        segmentation_id=item.segmentation_id,
        physical_network=item.physical_network,
        mtu=item.mtu,
    )


def namespace_of(place: Place) -> str:
    """The name of a share server's namespace."""
    if place.netns is None:
        raise LinuxError("the single server has no interfaces of its own")
    return place.netns
