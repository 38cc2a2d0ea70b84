"""What the linux driver has no record of, and what of its records is gone, on a real host."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest

from abaca.drivers.driver import Inspects, Snapshot
from abaca.linux import mounts, netns
from support.hostns import Host
from support.linux_scene import discard, flat, odd, scene, single

pytestmark = pytest.mark.dataplane


def btrfs(*argv: str) -> None:
    """Work on subvolumes behind the driver's back."""
    subprocess.run(["btrfs", "subvolume", *argv], check=True, capture_output=True, timeout=30)


def top(made: Host) -> Path:
    """Where the one image is mounted."""
    (found,) = (Path("/run/abaca") / made.deployment).glob("*/*/mounts/project-*")
    return found


def test_made_behind_its_back(made_host: Host) -> None:
    """A namespace, a mount, a subvolume and an image of nobody: what holds data stays."""
    made = scene(flat(made_host))
    assert odd(made) == {}
    name = f"abaca-{made_host.deployment}-of-nobody"
    netns.ensure_namespace(name)
    folder = top(made_host).parent / "stray"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "stray", str(folder)], check=True, timeout=30)
    btrfs("create", str(top(made_host) / "share-of-nobody"))
    (image,) = made_host.folder.rglob("*.img")
    stray = image.with_name("nobody.img")
    stray.touch()
    found = odd(made)
    assert found[("namespace", False)].name == name
    assert found[("mount", False)].name == str(folder.resolve())
    assert found[("subvolume", False)].name == f"{image}:share-of-nobody"
    assert found[("subvolume", False)].of == "of-nobody"
    assert found[("image", False)].name == str(stray)
    assert len(found) == 4
    # Whatever else there is on the host is not looked at again.
    record = next(path for path in made_host.folder.rglob("*.json") if made.share.id in path.name)
    text = record.read_text()
    record.write_text("{")
    assert discard(made, found[("namespace", False)])
    record.write_text(text)
    netns.ensure_namespace(name)
    for (kind, _), item in found.items():
        assert item.holds_data is (kind != "namespace")
        assert discard(made, item) is not item.holds_data
        assert not discard(made, item)
    assert odd(made).keys() == {(kind, False) for kind in ("subvolume", "image", "mount")}
    assert not netns.exists(name)
    assert mounts.mounted(folder) is not None
    assert made.machine.list(made.location).returncode == 0


def test_gone_behind_its_back(made_host: Host) -> None:
    """A share's subvolume, its mount, and the server's namespace are told one after the other."""
    made = scene(flat(made_host))
    (server,) = [item for item in made_host.servers() if not item.endswith("-switch")]
    share = made.share.id
    (image,) = made_host.folder.rglob("*.img")
    btrfs("delete", str(top(made_host) / f"share-{share}"))
    found = odd(made)
    assert found.keys() == {("subvolume", True)}
    assert found[("subvolume", True)].of == share
    assert found[("subvolume", True)].name == f"{image}:share-{share}"
    mounts.unmount(top(made_host).with_name(share), patience=0)
    assert odd(made).keys() == {("subvolume", True), ("mount", True)}
    netns.remove_namespace(server)
    found = odd(made)
    assert found.keys() == {("subvolume", True), ("mount", True), ("namespace", True)}
    assert found[("namespace", True)].name == server
    assert not any(discard(made, item) for item in found.values())


def test_snapshots_and_images_of_the_single_server(made_host: Host) -> None:
    """A snapshot without its subvolume, then everything without its image; none of it is odd."""
    made = scene(single(made_host))
    made.driver.ensure_snapshot(Snapshot(id="snap", share=made.share))
    assert odd(made) == {}
    btrfs("delete", str(top(made_host) / "snapshot-snap"))
    assert odd(made)["subvolume", True].of == "snap"
    (image,) = made_host.folder.rglob("*.img")
    aside = image.rename(image.with_suffix(".away"))
    found = cast("Inspects", made.driver).oddities()
    assert {(item.kind, item.missing, item.of) for item in found} == {
        ("image", True, made.share.id),
        ("image", True, "snap"),
        ("loop", False, "single"),  # it is all that is left of the image, as far as anybody knows
    }
    aside.rename(image)
