"""Access rules that an NFS server goes by, told as they are, whoever changed them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import cast

import pytest

from abaca.drivers.driver import AccessLevel, AccessRule, TellsAccess
from abaca.linux.ganesha import Client, Export
from audit.test_linux_serving import folder, nfs, serves
from support.hostns import Host
from support.linux_scene import Scene, flat, scene

pytestmark = pytest.mark.dataplane
STRAY = Client(network=ip_network("10.9.0.0/24"), writes=True)


def in_force(made: Scene) -> dict[str, set[str]]:
    """By share."""
    found = cast("TellsAccess", made.driver).access()
    return {share: {f"{r.level} {r.network}" for r in rules} for share, rules in found.items()}


def rule(network: str, level: AccessLevel = AccessLevel.READ_WRITE) -> AccessRule:
    """A rule for a network."""
    return AccessRule(network=ip_network(network), level=level)


def test_what_is_in_force_is_told(made_host: Host) -> None:
    """In the words of the rules, though one be several clients; nothing of what is not served."""
    made = scene(flat(made_host))
    name, driver = made.share.id, made.driver
    for wanted in (
        [rule("0.0.0.0/0"), rule("192.0.2.7/32", AccessLevel.READ_ONLY)],
        [rule("2001:db8::10/124", AccessLevel.READ_ONLY), rule("2001:db8::/64"), rule("::/0")],
        [],
    ):
        driver.apply_access(made.share, wanted)
        assert in_force(made) == {name: {f"{item.level} {item.network}" for item in wanted}}
    nfs(made).drop(made.share.export_id)
    assert in_force(made) == {}


def test_what_somebody_changed_at_the_server(made_host: Host) -> None:
    """A client too many is told, until the rules are applied again; then it can't get in."""
    made = scene(flat(made_host))
    name, path = made.share.id, f"/shares/{made.share.id}"
    made.driver.apply_access(made.share, [rule("192.0.2.0/24")])
    assert not serves(made, path)
    changed = Export(
        id=made.share.export_id,
        path=folder(made_host) / "mounts" / name,
        pseudo=path,
        clients=(STRAY, replace(STRAY, network=ip_network("192.0.2.0/24"), writes=False)),
    )
    nfs(made).put(changed)
    assert serves(made, path)
    assert in_force(made) == {name: {"rw 10.9.0.0/24", "ro 192.0.2.0/24"}}
    made.driver.apply_access(made.share, [rule("192.0.2.0/24")])
    assert in_force(made) == {name: {"rw 192.0.2.0/24"}}
    assert not serves(made, path)
