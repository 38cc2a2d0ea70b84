"""What was plugged in for share servers that are gone: only ours is named, and only that goes."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from fabric_stage import Site, Stage, flat

from abaca.linux import links, netns
from abaca.linux.survey import port_alias, port_name
from abaca.testing.netns import Machine, named

pytestmark = pytest.mark.dataplane


@pytest.fixture
def host(stage: Stage) -> Machine:
    """A host with an administrator's bridge."""
    made = stage.machine("host")
    made.run("ip", "link", "add", "br-flat", "type", "bridge")
    made.run("ip", "link", "set", "br-flat", "up")
    return made


@pytest.fixture
def site(stage: Stage, host: Machine) -> Site:
    """The fabric on it."""
    return stage.site(host, bridge_mappings={"flat": "br-flat"}, ovs_db="/nonexistent/db.sock")


def server(site: Site, key: str) -> AbstractContextManager[Machine]:
    """A share server's namespace."""
    return named(f"abaca-{site.deployment}-{key}")


def strays(site: Site) -> list[str]:
    """Those that are named."""
    return site.host.call(lambda: site.fabric.survey().strays())


def unplug(site: Site, port: str) -> bool:
    """Have it removed."""
    return site.host.call(lambda: site.fabric.unplug_stray(port))


def port_of(site: Site, machine: Machine) -> str:
    """The other end of its eth0."""
    return port_name(site.deployment, machine.name, "eth0")


def there(site: Site, name: str) -> bool:
    """True if the host has the link."""
    found = site.host.call(lambda: links.inside(None, "listing links", links.links))
    return name in {link.name for link in found}


def plug(site: Site, name: str, alias: str | None) -> None:
    """A port like ours on the bridge, which says that of itself."""
    host = site.host
    host.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"x{name[-8:]}")
    host.run("ip", "link", "set", name, "master", "br-flat")
    if alias is not None:
        host.run("ip", "link", "set", name, "alias", alias)


def test_the_port_of_a_server_that_lost_its_namespace(site: Site, stage: Stage) -> None:
    """Somebody holds the namespace, which has no name any more: its port is named, and goes."""
    with server(site, "kept") as kept, server(site, "gone") as gone:
        tenant = stage.machine()
        for number, one in enumerate((kept, gone, tenant), 5):
            site.attach(one, flat(), f"10.8.0.{number}/24")
        assert strays(site) == []
        with netns.path(gone.name).open("rb"):
            netns.remove_namespace(gone.name)
            assert strays(site) == [port_of(site, gone)]
            assert not unplug(site, port_of(site, kept))
            assert not unplug(site, port_of(site, tenant))
            assert unplug(site, port_of(site, gone))
            assert not unplug(site, port_of(site, gone))
        assert strays(site) == []
        assert not there(site, port_of(site, gone))
        assert tenant.pings("10.8.0.5")


def test_what_is_not_provably_ours_stays(site: Site) -> None:
    """Another deployment's, one that says nothing, one of a name of its own, a tenant's."""
    gone = f"abaca-{site.deployment}-gone"
    names = [links.name_for("p", site.deployment, number) for number in range(4)]
    plug(site, names[0], port_alias("0badcafe", "abaca-0badcafe-gone", "eth0"))
    plug(site, names[1], None)
    plug(site, names[2], port_alias(site.deployment, "machine-of-a-tenant", "eth0"))
    plug(site, "their-port", port_alias(site.deployment, gone, "eth0"))
    plug(site, names[3], port_alias(site.deployment, gone, "eth0"))
    assert strays(site) == [names[3]]
    for name in (*names[:3], "their-port"):
        assert not unplug(site, name)
        assert there(site, name)
    assert unplug(site, names[3])
    assert strays(site) == []


def test_a_port_that_leads_elsewhere(site: Site) -> None:
    """A server whose interface is another one by now: the old port is nobody's."""
    with server(site, "moved") as moved:
        site.attach(moved, flat(), "10.8.0.5/24")
        old = links.name_for("p", "old")
        plug(site, old, port_alias(site.deployment, moved.name, "eth0"))
        assert strays(site) == [old]
        assert unplug(site, old)
        assert there(site, port_of(site, moved))


def test_ports_of_an_open_vswitch_whose_links_have_gone(stage: Stage, host: Machine) -> None:
    """Only those that are marked as this deployment's are named, and removed."""
    with tempfile.TemporaryDirectory(prefix="qa-ovs-") as folder:
        switch = stage.switch(host, Path(folder))
        switch.add_bridge("br-ovs")
        site, other = (
            stage.site(host, bridge_mappings={"flat": "br-ovs"}, ovs_db=str(switch.socket))
            for _ in range(2)
        )
        machines = [stage.machine() for _ in range(3)]
        site.attach(machines[0], flat(), "10.8.0.5/24")
        site.attach(machines[1], flat(), "10.8.0.6/24")
        other.attach(machines[2], flat(), "10.8.0.7/24")
        lost = [port_of(site, machines[1]), port_of(other, machines[2])]
        for port in lost:
            host.run("ip", "link", "del", port)
        named = host.call(lambda: site.fabric.survey().dead_ports())
        assert named == lost[:1]
        assert not unplug(site, lost[1])
        assert unplug(site, lost[0])
        assert not unplug(site, lost[0])
        left = set(switch.vsctl("list-ports", "br-ovs").split())
        assert left == {port_of(site, machines[0]), lost[1]}
