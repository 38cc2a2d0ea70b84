"""Snapshots of what exists tell what was left behind."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from abaca.linux.command import process_identity, run, start_daemon, stop_process
from abaca.testing.netns import machine
from abaca.testing.world import left_behind, snapshot

pytestmark = pytest.mark.dataplane


def test_each_kind_is_noticed_and_others_are_not(tmp_path: Path) -> None:
    """Everything with our mark is told, of every kind, and nothing after it was removed."""
    mark = f"qa-{uuid.uuid4().hex[:8]}"
    folder = tmp_path / mark
    (folder / "mount").mkdir(parents=True)
    image = folder / "image"
    image.write_bytes(bytes(1 << 20))
    with machine("world") as host:
        before = host.call(lambda: snapshot([mark], [folder]))
        with ExitStack() as made:
            marked = made.enter_context(machine(mark))
            made.enter_context(machine("unmarked"))
            run("mount", "-t", "tmpfs", "none", str(folder / "mount"))
            made.callback(run, "umount", str(folder / "mount"))
            device = run("losetup", "--find", "--show", str(image)).strip()
            made.callback(run, "losetup", "--detach", device)
            made.callback((folder / "log").unlink)
            command = ["/usr/bin/sleep", "60"]
            pid = start_daemon(command, netns=None, log=folder / "log", env={"MARK": mark})
            made.callback(stop_process, *process_identity(pid))
            host.run("ip", "link", "add", "extra", "type", "bridge")
            made.callback(host.run, "ip", "link", "del", "extra")
            assert set(left_behind(before, host.call(lambda: snapshot([mark], [folder])))) == {
                f"namespace {marked.name}",
                "link extra",
                f"mount {folder}/mount",
                f"loop device {Path(device).name} {image}",
                f"process {pid} /usr/bin/sleep 60",
                f"file {folder}/log",
            }
        assert left_behind(before, host.call(lambda: snapshot([mark], [folder]))) == []


def test_what_disappears_is_not_left_behind(tmp_path: Path) -> None:
    """Only what is new counts."""
    (tmp_path / "file").touch()
    before = snapshot(["no-such-mark"], [tmp_path])
    (tmp_path / "file").unlink()
    assert left_behind(before, snapshot(["no-such-mark"], [tmp_path])) == []
