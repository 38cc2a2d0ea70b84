"""Which driver modes a share type asks for, and what each needs of the share network.

The API always gives a share type ``driver_handles_share_servers``; the optional
extra spec ``driver_mode`` (a mode, or ``any``) decides where it is set. Both,
and ``default_share_network``, are consumed here: the capability filter does
not see them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from abaca.errors import BadRequest
from abaca.model.pool import NETWORK_IDS, Pool
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.modes import MULTI_MODES, DriverMode

BOOLEAN_SPEC = "driver_handles_share_servers"
MODE_SPEC = "driver_mode"
DEFAULT_NETWORK_SPEC = "default_share_network"
CONSUMED = frozenset({BOOLEAN_SPEC, MODE_SPEC, DEFAULT_NETWORK_SPEC})
ANY = "any"
_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})


def boolean(text: str) -> bool | None:
    """What a boolean extra spec says (``<is> True`` and ``true`` alike); None if it is none."""
    word = text.strip().removeprefix("<is>").strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def modes_asked(
    extra_specs: Mapping[str, str], network: ShareNetwork | None
) -> frozenset[DriverMode]:
    """The modes that will do for a type with this share network.

    With ``any``, a share network that names a network of the tenant's asks for a
    share server on it; none, or one without IDs, says that single_svm will do.
    """
    spec = extra_specs.get(MODE_SPEC, "").strip()
    if spec == ANY:
        return MULTI_MODES if _names_network(network) else frozenset({DriverMode.SINGLE})
    if spec:
        return frozenset({DriverMode(spec)}) if spec in set(DriverMode) else frozenset()
    handles = boolean(extra_specs.get(BOOLEAN_SPEC, ""))
    if handles is None:
        return frozenset(DriverMode)
    return MULTI_MODES if handles else frozenset({DriverMode.SINGLE})


def needs_network(extra_specs: Mapping[str, str]) -> bool:
    """True if a share of this type is refused without a share network."""
    return DriverMode.SINGLE not in modes_asked(extra_specs, None)


def check_type(extra_specs: Mapping[str, str]) -> None:
    """BadRequest if a type's mode specs are unknown or contradict each other."""
    spec = extra_specs.get(MODE_SPEC)
    if spec is None or spec.strip() == ANY:
        return
    if spec.strip() not in set(DriverMode):
        known = ", ".join([*DriverMode, ANY])
        raise BadRequest(f"Extra spec driver_mode is {spec!r}; write one of {known}.")
    mode = DriverMode(spec.strip())
    handles = boolean(extra_specs.get(BOOLEAN_SPEC, ""))
    if handles is not None and handles is not mode.has_share_servers:
        raise BadRequest(
            f"Extra spec driver_mode = {mode} needs {BOOLEAN_SPEC} = {mode.has_share_servers}; "
            f"it is {handles}. Write that, or driver_mode = {ANY}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault:
    """Why a backend can't use a share network, and what would mend it."""

    why: str
    """Follows "and": ``share network X has no subnet``."""
    give: str
    """What to do, and with which field: ``add share_network_id to the request``."""


def network_fault(network: ShareNetwork | None, pool: Pool) -> NetworkFault | None:
    """Why a managed_multi_svm pool can't use this share network; None if it can.

    Every subnet of the pool's zone must name a network by an ID that the plugin
    understands, since a server gets an interface on each; a plugin that makes
    networks also takes a share network without subnets, and subnets that name
    nothing.
    """
    if network is None:
        give = "add share_network_id to the request"
        return NetworkFault(why="no share network is given", give=give)
    wanted, zone = _wanted_ids(pool), pool.availability_zone
    subnets = network.subnets_in(zone)
    if network.subnets and not subnets:
        return NetworkFault(
            why=f"share network {network.id} has no subnet in availability zone {zone}",
            give=f"add a share network subnet with availability_zone {zone} and {wanted}",
        )
    if not subnets and not pool.makes_networks:
        why = f"share network {network.id} has no subnet"
        return NetworkFault(why=why, give=f"add a share network subnet with {wanted}")
    faults = (_subnet_fault(subnet, pool) for subnet in subnets)
    why = next((f"share network {network.id} {fault}" for fault in faults if fault), "")
    give = f"replace that subnet by one with {wanted}"
    return NetworkFault(why=why, give=give) if why else None


def _subnet_fault(subnet: ShareNetworkSubnet, pool: Pool) -> str | None:
    """What the pool's plugin misses in a subnet; None if it understands it."""
    named = {name for name in NETWORK_IDS if getattr(subnet, name)}
    if named & pool.network_ids or (pool.makes_networks and not named):
        return None
    if not named:
        return f"has a subnet without {_wanted_ids(pool)}"
    return f"has a subnet with {min(named)}, which the backend does not understand"


def _wanted_ids(pool: Pool) -> str:
    """The fields of a subnet that the pool's plugin understands, as a request has them."""
    if "neutron_net_id" in pool.network_ids:
        return "neutron_net_id and neutron_subnet_id"
    if "nova_net_id" in pool.network_ids:
        return "nova_net_id (API version 2.25 or below)"
    return "no network ID"


def _names_network(network: ShareNetwork | None) -> bool:
    return network is not None and any(item.names_network for item in network.subnets)
