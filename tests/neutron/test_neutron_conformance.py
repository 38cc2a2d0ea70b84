"""The conformance suite, on a real Neutron: each way of using the plugin."""

from __future__ import annotations

import uuid

import pytest

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.plugin import SubnetRef
from abaca.testing.network_suite import NetworkMakerSuite, NetworkPluginSuite, Subject
from support.neutron.world import Cloud, plugin_on, subject, values

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DUAL = ("192.168.5.0/28", "fd00:5::/64")


def physnet() -> str:
    """A physical network of its own: each carries one flat network."""
    return f"flat{uuid.uuid4().hex[:8]}"


def flat(cloud: Cloud, *cidrs: str, capacity: int) -> Subject:
    """A section with a provider network that has these subnets; cut after every call."""
    attributes = {"provider:network_type": "flat", "provider:physical_network": physnet()}
    network = cloud.network(*cidrs, **attributes)
    return subject(cloud, network, DriverMode.FLAT, capacity=capacity, asking=True)


def direct(cloud: Cloud, *cidrs: str, capacity: int) -> Subject:
    """A section for tenants' networks, and one that has these subnets."""
    return subject(cloud, cloud.network(*cidrs), DriverMode.MANAGED, capacity=capacity)


def routed(cloud: Cloud, *cidrs: str, capacity: int, **more: object) -> Subject:
    """The same, where servers are on networks of ours behind the tenant's router."""
    network = cloud.network(*cidrs)
    cloud.router(*network["subnet_list"])
    more = {"connectivity": "routed", "service_cidr": "10.254.0.0/16", **more}
    return subject(cloud, network, DriverMode.MANAGED, capacity=capacity, **more)


class TestNeutronFlat(NetworkPluginSuite):
    """Ports on a provider network that the operator made."""

    title = "neutron flat"

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28: 13 addresses besides the gateway."""
        return flat(cloud, "10.10.0.0/28", capacity=13)

    @pytest.fixture
    def small(self, cloud: Cloud) -> Subject:
        """A /29."""
        return flat(cloud, "10.10.0.0/29", capacity=5)

    @pytest.fixture
    def wide(self, cloud: Cloud) -> Subject:
        """A /64 beside it."""
        return flat(cloud, *DUAL, capacity=13)

    def test_a_missing_network_is_told_by_name(self, cloud: Cloud) -> None:
        """Before a port is made."""
        plugin = plugin_on(values(cloud.url, network="no-such"), DriverMode.FLAT)
        for ask in (plugin.status, lambda: plugin.describe(SubnetRef(key="net"))):
            with pytest.raises(InvalidNetwork, match="no network 'no-such'"):
                ask()


class TestNeutronDirect(NetworkPluginSuite):
    """Ports on a tenant's IPv4 subnet, bound to the host."""

    title = "neutron direct"

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28 of a VXLAN."""
        return direct(cloud, "192.168.5.0/28", capacity=13)

    @pytest.fixture
    def small(self, cloud: Cloud) -> Subject:
        """A /29."""
        return direct(cloud, "192.168.5.0/29", capacity=5)

    @pytest.fixture
    def wide(self, cloud: Cloud) -> Subject:
        """A /64 beside it."""
        return direct(cloud, *DUAL, capacity=13)


class TestNeutronDirectIpv6(NetworkPluginSuite):
    """The same with IPv6 alone."""

    title = "neutron direct IPv6"

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /124: what is neither the gateway nor the routers' anycast address."""
        return direct(cloud, "fd00:5::/124", capacity=15)

    @pytest.fixture
    def small(self, cloud: Cloud) -> Subject:
        """A /125."""
        return direct(cloud, "fd00:5::/125", capacity=7)

    @pytest.fixture
    def wide(self, cloud: Cloud) -> Subject:
        """A /64."""
        return direct(cloud, "fd00:5::/64", capacity=1 << 63)


class TestNeutronDirectDual(NetworkPluginSuite):
    """Both at once: one port, two addresses."""

    title = "neutron direct dual"

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28 and a whole /64."""
        return direct(cloud, *DUAL, capacity=13)

    @pytest.fixture
    def small(self, cloud: Cloud) -> Subject:
        """A /29 and a whole /64."""
        return direct(cloud, "192.168.5.0/29", "fd00:5::/64", capacity=5)


class TestNeutronRouted(NetworkMakerSuite):
    """Ports on networks of ours, which the tenant's router joins."""

    title = "neutron routed"

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28 carved from the supernet, beside the tenant's own subnet in it."""
        return routed(cloud, "10.254.0.0/28", capacity=13, service_prefix=28)

    @pytest.fixture
    def small(self, cloud: Cloud) -> Subject:
        """A /29."""
        return routed(cloud, "10.254.0.0/28", capacity=5, service_prefix=29)

    @pytest.fixture
    def wide(self, cloud: Cloud) -> Subject:
        """A /64 for a tenant's network of both IP versions."""
        return routed(cloud, *DUAL, capacity=253, ipv6_service_cidr="fd00:254::/48")
