"""One fabric verb in a process of its own, for tests that kill it: ``VERB JSON``."""

from __future__ import annotations

import json
import sys
from ipaddress import ip_address, ip_interface
from typing import Any

from abaca.linux.fabric import FabricOptions, Leg, LinuxFabric, Wire


def wire(vni: int) -> Wire:
    """The VXLAN of this number."""
    return Wire(network_type="vxlan", segmentation_id=vni, physical_network=None, mtu=1450)


def main(verb: str, wanted: dict[str, Any]) -> None:
    """Do it."""
    fabric = LinuxFabric(
        FabricOptions(deployment=wanted["deployment"], vxlan_local=ip_address("10.99.0.1"))
    )
    match verb:
        case "attach":
            fabric.attach(
                wire(21),
                netns=wanted["netns"],
                interface="eth0",
                mac=None,
                addresses=(ip_interface("10.8.0.5/24"),),
                gateways=(ip_address("10.8.0.1"),),
            )
        case "detach":
            fabric.detach(wanted["netns"], "eth0", wire(21))
        case "router":
            legs = [
                Leg(wire=wire(21), addresses=(ip_interface("10.8.0.1/24"),)),
                Leg(wire=wire(22), addresses=(ip_interface("10.7.0.1/24"),)),
            ]
            fabric.ensure_router("r1", legs)
        case "remove-router":
            fabric.remove_router("r1")
        case "join":
            fabric.join_bridge(wire(21), "br-tenant")
        case "leave":
            fabric.leave_bridge(wire(21), "br-tenant")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
