"""What is on the wire is what the API tells administrators."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from abaca.demo import nfs

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.usefixtures("databases"),
]


def _capture(site: Any) -> subprocess.Popen[str]:
    netns = f"--net=/run/netns/{site.topology.host}"
    argv = ["nsenter", netns, "tcpdump", "-n", "-l", "-i", "br-under", "-c", "20", "udp port 4789"]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_uplink_carries_the_vni_that_the_api_reports(site: Any) -> None:
    """A capture while the tenant mounts shows only the VNI that administrators see."""
    share = site.settled(site.share("direct"))
    site.allow(share, site.alice.address("direct"))
    capture = _capture(site)
    try:
        assert capture.stderr is not None
        assert any("listening on" in line for line in capture.stderr), "it does not listen"
        for number in range(5):
            nfs.write(site.alice, site.export(share), f"file{number}", b"data")
        shown, _ = capture.communicate(timeout=20)
    finally:
        capture.kill()
        capture.wait()
    server = site.clients["admin"].share_servers.list()[0]
    network = site.clients["admin"].share_networks.get(server.share_network_id)
    subnet = network.share_network_subnets[0]
    seen = {int(number) for number in re.findall(r"vni (\d+)", shown)}
    assert seen == {subnet["segmentation_id"]} == {site.alice.direct_vni}
    assert subnet["network_type"] == "vxlan"
    mine = site.clients["alice"].share_networks.get(server.share_network_id)
    assert mine.share_network_subnets[0]["segmentation_id"] is None
    site.clear()
