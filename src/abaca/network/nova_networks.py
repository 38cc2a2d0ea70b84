"""Which of nova's networks is meant, and whether Abaca can use it."""

from __future__ import annotations

import re

from abaca.errors import InvalidNetwork, NetworkNotFound
from abaca.network import ipam, nova_pools
from abaca.network.nova_api import NovaApi
from abaca.network.nova_config import Settings
from abaca.network.nova_values import NovaNetwork
from abaca.network.plugin import SubnetRef

NETWORK_ID = re.compile(r"[0-9A-Za-z-]{1,36}")


class Networks:
    """Finds networks for one section."""

    def __init__(self, api: NovaApi, settings: Settings) -> None:
        self._api = api
        self._settings = settings

    def find(self, subnet: SubnetRef) -> NovaNetwork:
        """The section's network, or the one that the share network names, if it is usable."""
        if self._settings.network is not None:
            return self._usable(self._named(self._settings.network))
        if not subnet.net_id:
            raise InvalidNetwork(
                f"subnet {subnet.key} names no network of nova",
                told="The share network names no network; make one with nova_net_id.",
            )
        found = self._api.network(subnet.net_id) if NETWORK_ID.fullmatch(subnet.net_id) else None
        # Another project's network is as good as none, and its existence is nobody's business.
        if found is None or found.project_id not in {None, subnet.project_id}:
            raise NetworkNotFound(
                f"project {subnet.project_id} has no network {subnet.net_id} in nova"
            )
        return self._usable(found)

    def _named(self, name: str) -> NovaNetwork:
        found = [item for item in self._api.networks() if name in {item.id, item.label}]
        if not found:
            raise NetworkNotFound(f"nova has no network {name!r}, by ID or label")
        if len(found) > 1:
            ids = ", ".join(item.id for item in found)
            raise InvalidNetwork(f"nova has {len(found)} networks {name!r}; write an ID ({ids})")
        return found[0]

    def _usable(self, network: NovaNetwork) -> NovaNetwork:
        if not network.cidrs:
            raise InvalidNetwork(f"nova's network {network.label} has no CIDR")
        if not (network.shares_addresses or self._settings.allow_multi_host):
            raise InvalidNetwork(
                f"nova's network {network.label} has multi_host: nova gives addresses to its own "
                "hosts there and does not show which; reserve those, and write "
                "allow_multi_host = true"
            )
        nova_pools.pools(network, self._settings.ranges)
        return network

    def ask(self) -> None:
        """Return if nova answers, has the section's network, and lets us see fixed IPs."""
        if self._settings.network is not None:
            found = [self._usable(self._named(self._settings.network))]
        else:
            found = self._api.networks()
        cidrs = [cidr for item in found for cidr in item.cidrs if cidr.version == ipam.IPV4]
        if cidrs:
            self._api.fixed_ip(cidrs[0].network_address)
