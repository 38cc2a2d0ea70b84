"""For every step an operation that passes it: whoever adds a step says here when it is taken."""

from __future__ import annotations

from abaca.torture.operations import OPERATIONS, Operation
from abaca.torture.points import OF_PLUGINS

ELSEWHERE = (*OF_PLUGINS, "fabric.bridge.")
"""Steps of nothing that a manager does here: neutron and nova, and machines that are joined."""
_MANAGED = {
    "create": (
        "fabric.dress", "fabric.plug", "fabric.wire", "fake.server.make", "fake.share.make",
        "network.allocate", "network.check", "network.claim", "network.ensure", "network.record",
        "server.create.commit", "server.create.firewall", "server.create.interfaces",
        "server.create.namespace", "server.create.nfs", "server.create.record",
        "server.create.serving", "server.create.storage", "share.create.commit",
        "share.create.export", "share.create.image", "share.create.mount",
        "share.create.record", "share.create.subvolume",
    ),
    "delete": (
        "fabric.router.remove", "fabric.unplug", "fake.server.remove", "fake.share.remove",
        "network.discard", "network.release", "network.remove", "server.delete.commit",
        "server.delete.files", "server.delete.interfaces", "server.delete.namespace",
        "server.delete.nfs", "server.delete.retire", "server.delete.storage",
        "share.delete.commit", "share.delete.export", "share.delete.image", "share.delete.mark",
        "share.delete.mount", "share.delete.record", "share.delete.subvolume",
    ),
    "extend": ("fake.share.resize", "share.resize.extend"),
    "shrink": ("share.resize.shrink",),
    "allow": ("fake.share.access", "share.access.apply"),
    "snapshot": (
        "fake.snapshot.make", "snapshot.create.commit", "snapshot.create.record",
        "snapshot.create.subvolume",
    ),
    "delete snapshot": (
        "fake.snapshot.remove", "snapshot.delete.commit", "snapshot.delete.subvolume",
    ),
    "revert": ("fake.share.revert", "share.revert.exchange"),
    "add subnet": ("heal.server.exports",),
    "reboot and extend": ("heal.server.others",),
    "create, refused": ("failure.share.give_up",),
    "create, no room": ("failure.share.move",),
    "delete, refused": ("failure.share",),
    "snapshot, refused": ("failure.snapshot",),
    "unmanage server": ("network.forget", "network.leave"),
    "manage server": ("network.adopt", "server.adopt.record"),
}  # fmt: skip
_SINGLE = {
    "transfer": (
        "share.transfer.clean", "share.transfer.copy", "share.transfer.plan",
        "share.transfer.record", "share.transfer.stop",
    ),
}  # fmt: skip
CASES: dict[str, tuple[str, str]] = {
    step: (backend, operation)
    for backend, operations in (("managed", _MANAGED), ("single", _SINGLE))
    for operation, steps in operations.items()
    for step in steps
}
"""Backend and operation, by step."""


def operation_of(step: str) -> Operation:
    """The operation that passes the step."""
    return next(item for item in OPERATIONS if item.name == CASES[step][1])
