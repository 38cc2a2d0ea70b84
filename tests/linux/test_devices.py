"""Links by ioctl, and requests of netlink that are only acknowledged."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from abaca.errors import LinuxError
from abaca.linux import devices, netns
from abaca.linux.links import find, setting
from abaca.linux.netlink import Netlink


def test_what_a_link_is() -> None:
    """A bridge is told from other links and from none; one that is up stays so."""

    def work() -> None:
        with Netlink() as netlink:
            netlink.new_link({"IFLA_IFNAME": "br", "IFLA_LINKINFO": {"IFLA_INFO_KIND": "bridge"}})
            link = find(netlink, "br")
            assert link is not None
            assert (link.kind, link.up, devices.index_of("br")) == ("bridge", False, link.index)
            for _ in range(2):
                devices.bring_up("br")
                link = find(netlink, "br")
                assert link is not None
                assert link.up
        kinds = [devices.is_bridge(name) for name in ("br", "lo", "all", "none", "br/tag")]
        assert kinds == [True, False, False, False, False]
        with pytest.raises(LinuxError, match="no link none"):
            devices.index_of("none")

    netns.call_in_new(work)


def test_a_refused_request() -> None:
    """What the kernel refuses is raised with its reason, and the next request is answered."""

    def work() -> None:
        with Netlink() as netlink:
            with pytest.raises(NetlinkError) as seen:
                netlink.set_link(77, {"IFLA_IFALIAS": "nobody"}, up=True)
            assert seen.value.code == errno.ENODEV
            netlink.set_link(1, {"IFLA_IFALIAS": "the first"}, up=True)
            lo = find(netlink, "lo")
            assert lo is not None
            assert (lo.alias, lo.up) == ("the first", True)

    netns.call_in_new(work)


def test_a_setting() -> None:
    """What no kernel has is left alone; what differs is written."""

    def work() -> None:
        setting("ipv4", "lo", "no_such_thing", "1")
        for value in ("1", "1", "0"):
            setting("ipv4", "lo", "arp_notify", value)
            file = Path("/proc/sys/net/ipv4/conf/lo/arp_notify")
            assert file.read_text(encoding="ascii") == f"{value}\n"

    netns.call_in_new(work)
