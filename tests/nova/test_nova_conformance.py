"""The conformance suite, on a real nova: flat and managed, both IP versions."""

from __future__ import annotations

import pytest

from abaca.db.database import Database
from abaca.errors import InvalidNetwork, NetworkNotFound
from abaca.modes import DriverMode
from abaca.network.plugin import SubnetRef
from abaca.testing.network_suite import NetworkPluginSuite, Subject
from support.nova.server import DUAL, FLAT, SIX, VLAN, NovaServer
from support.nova.world import MISSING, nova_subject, plugin_on

pytestmark = pytest.mark.xdist_group("nova")


class _FlatSuite(NetworkPluginSuite):
    """In flat mode a section means one network: there is no wrong subnet, only a wrong section."""

    def test_wrong_network(self, subject: Subject, nova: NovaServer, database: Database) -> None:  # type: ignore[override]
        """A network that nova has not, or has twice, is told apart; none is exhausted."""
        assert subject.subnet.key == "net"
        for name, error in ((MISSING, NetworkNotFound), ("twin", InvalidNetwork)):
            wrong = nova_subject(
                nova, database, {"network": name}, DriverMode.FLAT, network=name, capacity=0
            )
            with pytest.raises(error):
                wrong.make().describe(SubnetRef(key="net"))
            with pytest.raises(error):
                wrong.make().allocate(SubnetRef(key="net"), [], host="host1")
        with pytest.raises(InvalidNetwork, match="network"):
            plugin_on(database, {"auth_type": "none"}, DriverMode.FLAT)


class TestNovaFlat(_FlatSuite):
    """A network by its label, with ranges that an instance and an administrator have a part of."""

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """From .2 to .17, less a name server's, an instance's and a reserved one."""
        values = {
            "network": "flat",
            "allowed_ip_ranges": ["10.50.0.1-10.50.0.7", "10.50.0.8-10.50.0.17"],
        }
        return nova_subject(nova, database, values, DriverMode.FLAT, network=FLAT, capacity=13)


class TestNovaFlatIpv6(_FlatSuite):
    """A network of IPv6 alone, by its ID: nova has no fixed IPs there."""

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """Twelve addresses of a /64."""
        values = {"network": SIX, "allowed_ip_ranges": ["fd00:80::10-fd00:80::1b"]}
        return nova_subject(nova, database, values, DriverMode.FLAT, network=SIX, capacity=12)


class TestNovaManaged(NetworkPluginSuite):
    """A VLAN that the share network names."""

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """A /27 less network, broadcast, gateway, VPN and name server."""
        return nova_subject(nova, database, {}, DriverMode.MANAGED, network=VLAN, capacity=27)


class TestNovaManagedDual(NetworkPluginSuite):
    """A network of both IP versions, for all projects."""

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """A /28 and a /64."""
        return nova_subject(nova, database, {}, DriverMode.MANAGED, network=DUAL, capacity=13)
