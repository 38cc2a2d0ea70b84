"""What serves the shares, behind the driver's back: links, NFS servers, exports, loop devices."""

from __future__ import annotations

import shutil
from ipaddress import ip_network
from pathlib import Path

import pytest

from abaca.drivers.linux.layout import RUN_PATH
from abaca.linux import links, netns
from abaca.linux.bus import Bus
from abaca.linux.command import run, stop_process
from abaca.linux.ganesha import Client, Export, Ganesha, GaneshaOptions
from abaca.linux.image import Image
from abaca.linux.survey import port_alias
from support.hostns import Host
from support.linux_scene import Scene, discard, flat, managed, odd, scene, single

pytestmark = pytest.mark.dataplane


def mend(made: Scene) -> None:
    """What supervision does with a server that does not serve."""
    if made.share.server is None:
        made.driver.start()
        return
    made.driver.ensure_server(made.share.server, made.backend.network(1))


def folder(made: Host) -> Path:
    """The run-time directory of the one server."""
    (found,) = (RUN_PATH / made.deployment).glob("*/*/ganesha.conf")
    return found.parent


def nfs(made: Scene) -> Ganesha:
    """The NFS server, as the driver knows it."""
    run_path = folder(made.backend.host)
    home = made.backend.host.folder / "storage" / made.backend.name / run_path.name
    (name,) = [item for item in made.backend.host.servers() if item.endswith(run_path.name)]
    return Ganesha(folder=run_path, home=home, netns=name, options=GaneshaOptions())


def serves(made: Scene, path: str) -> bool:
    """True if the machine may list it."""
    return made.machine.list(f"{made.location.partition(':')[0]}:{path}").returncode == 0


def test_a_server_without_its_nfs_server(made_host: Host) -> None:
    """A killed NFS server is named by its server; the other one's is none of it."""
    made = scene(single(made_host))
    assert odd(made) == {}
    pid, start = map(int, (folder(made_host) / "ganesha.identity").read_text().split())
    stop_process(pid, start, timeout=0)
    found = odd(made)
    assert found.keys() == {("process", True)}
    assert found["process", True].of == "single"
    assert not discard(made, found["process", True])
    mend(made)
    assert odd(made) == {}


def test_a_daemon_of_nobody(made_host: Host) -> None:
    """It is named, and ended once nothing else is left of its server; the server's own stay."""
    made = scene(flat(made_host))
    stray = folder(made_host).with_name("of-nobody")
    bus = Bus(stray)
    bus.start()
    (item,) = [odd(made)["process", False]]
    assert (item.of, item.holds_data) == ("of-nobody", False)
    assert not discard(made, item)
    shutil.rmtree(stray)
    assert odd(made) == {("process", False): item}
    assert discard(made, item)
    assert bus.daemon.identity() is None
    assert not discard(made, item)
    assert odd(made) == {}
    assert serves(made, f"/shares/{made.share.id}")


def test_exports_that_lack_or_are_too_many(made_host: Host) -> None:
    """One that is not served is seen by supervision, too, and served again; one too many goes."""
    made = scene(flat(made_host))
    server, number = nfs(made), made.share.export_id
    server.drop(number)
    item = odd(made)["export", True]
    assert (item.of, item.name.split()[0]) == (made.share.id, str(number))
    assert not discard(made, item)
    assert not made.driver.check_server(made.share.server)
    mend(made)
    assert serves(made, f"/shares/{made.share.id}")
    everybody = Client(network=ip_network("10.0.0.0/8"), writes=True)
    mount = folder(made_host) / "mounts" / made.share.id
    server.put(Export(id=77, path=mount, pseudo="/shares/stray", clients=(everybody,)))
    assert serves(made, "/shares/stray")
    item = odd(made)["export", False]
    assert (item.of, item.name.split()[0]) == (folder(made_host).name, "77")
    assert discard(made, item)
    assert not discard(made, item)
    assert odd(made) == {}
    assert not serves(made, "/shares/stray")
    assert serves(made, f"/shares/{made.share.id}")


def test_links_that_lack(made_host: Host) -> None:
    """A lost uplink, a port that left its bridge, a lost interface: each is named, and mended."""
    made = scene(managed(made_host))
    (server,) = [item for item in made_host.servers() if not item.endswith("-switch")]
    switch = f"abaca-{made_host.deployment}-switch"
    here = {item.kind: item.name for item in links.inside(switch, "looking", links.links)}
    ip = ("nsenter", f"--net=/run/netns/{switch}", "ip", "link")
    run(*ip, "del", here["vxlan"])
    assert odd(made)["link", True].name == f"{switch}:{here['vxlan']}"
    assert odd(made)["link", True].of == folder(made_host).name
    mend(made)
    assert odd(made) == {}
    run(*ip, "set", here["veth"], "nomaster")
    assert odd(made)["link", True].name == f"{switch}:{here['veth']}"
    # Supervision looks at the interfaces of the server only: the rest is the audit's.
    assert made.driver.check_server(made.share.server)
    mend(made)
    assert odd(made) == {}
    run(*ip, "del", here["veth"])
    assert odd(made)["link", True].name.startswith(f"{server}:abs")
    assert not made.driver.check_server(made.share.server)
    mend(made)
    assert odd(made) == {}
    assert serves(made, f"/shares/{made.share.id}")


def test_links_of_nobody(made_host: Host) -> None:
    """An interface in no record and a bridge that nobody is on go; those in use stay."""
    made = scene(managed(made_host))
    (server,) = [item for item in made_host.servers() if not item.endswith("-switch")]
    switch = f"abaca-{made_host.deployment}-switch"
    name = links.name_for("s", "stray")
    run("ip", "-n", server, "link", "add", name, "type", "veth", "peer", "name", "other")
    item = odd(made)["link", False]
    assert (item.name, item.of) == (f"{server}:{name}", folder(made_host).name)
    assert discard(made, item)
    assert not discard(made, item)
    assert odd(made) == {}
    bridge = links.name_for("b", "stray")
    run("ip", "-n", switch, "link", "add", bridge, "type", "bridge")
    item = odd(made)["link", False]
    assert (item.name, item.of) == (f"{switch}:{bridge}", None)
    assert discard(made, item)
    assert not discard(made, item)
    assert odd(made) == {}
    assert serves(made, f"/shares/{made.share.id}")


def test_loop_devices_that_nothing_is_mounted_from(made_host: Host) -> None:
    """A second one on an image goes; one on a deleted file, which may be its last hold, stays."""
    made = scene(flat(made_host))
    (image,) = made_host.folder.rglob("*.img")
    second = run("losetup", "--find", "--show", str(image)).strip()
    item = odd(made)["loop", False]
    assert (item.name, item.holds_data) == (f"{second} on {image}", False)
    assert discard(made, item)
    assert not discard(made, item)
    assert odd(made) == {}
    lost = Image(image.with_name("lost.img"))
    lost.make(0)
    device = lost.attach()
    lost.path.unlink()
    item = odd(made)["loop", False]
    assert (item.name, item.holds_data) == (f"{device} on {lost.path}", True)
    assert not discard(made, item)
    run("losetup", "--detach", device)
    assert odd(made) == {}
    assert netns.exists(made_host.servers()[0])


def test_a_port_of_nobody_on_an_administrators_bridge(made_host: Host) -> None:
    """One plugged in for a server that has gone is told, and goes; the server's own stays."""
    made = scene(flat(made_host))
    name = links.name_for("p", "stray")
    made_host.ip("link", "add", name, "type", "veth", "peer", "name", "other")
    made_host.ip("link", "set", name, "master", "br-flat")
    assert odd(made) == {}
    gone = f"abaca-{made_host.deployment}-gone"
    alias = port_alias(made_host.deployment, gone, "eth0")
    made_host.ip("link", "set", name, "alias", alias)
    item = odd(made)["link", False]
    assert (item.name, item.of, item.holds_data) == (name, None, False)
    assert discard(made, item)
    assert not discard(made, item)
    assert odd(made) == {}
    assert serves(made, f"/shares/{made.share.id}")
