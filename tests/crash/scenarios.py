"""What is asked of a service on fake storage that is killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import update

from abaca.context import Context
from abaca.db.database import Tx
from abaca.db.tables import share_servers
from abaca.modes import DriverMode
from abaca.share import share_servers as use_case
from abaca.states import AccessRulesStatus, ShareStatus, SnapshotStatus
from support.control_plane import Api
from support.crash import Scenario, Stage, Stages
from support.crash_fake import CAPACITY, world

T = TypeVar("T")
ADMIN = Context(
    user_id="root",
    project_id="ops",
    roles=frozenset({"admin"}),
    request_id="req-1",
    is_admin=True,
)


def _new_share(stage: Stage) -> tuple[str, str, str]:
    type_id = stage.api.share_type(DriverMode.MANAGED)
    network = stage.api.share_network()
    return stage.api.share(type_id, network_id=network), type_id, network


def _status(api: Api, share_id: str) -> ShareStatus | None:
    share = api.read(share_id)
    return share.instance.status if share else None


def _once(stage: Stage, backend: str = "first", *, labels: Sequence[str] = ("user",)) -> None:
    """There is one share server, outside too, with one address in the ledger per network."""
    (server,) = stage.api.rows("share_servers")
    made = {name: world(stage.folder, name).servers for name in CAPACITY}
    assert {name: list(found) for name, found in made.items() if found} == {backend: [server["id"]]}
    held = stage.api.rows("allocations")
    assert sorted((row["share_server_id"], row["label"]) for row in held) == [
        (server["id"], label) for label in sorted(labels)
    ]
    ledger = sorted((row["owner"], row["address"]) for row in stage.api.rows("addresses"))
    assert ledger == sorted((server["id"], it) for row in held for it in row["addresses"])
    assert len(ledger) == len(labels)


def life(stage: Stage) -> Stages:
    """A share with all that may happen to it; nothing is left at the end."""
    api = stage.api
    share, type_id, network = _new_share(stage)
    yield
    assert _status(api, share) is ShareStatus.AVAILABLE
    _once(stage)
    rule = api.allow(share, "10.0.0.0/8")
    api.resize(share, 2)
    yield
    found = api.read(share)
    assert found is not None
    assert (found.size, found.instance.status) == (2, ShareStatus.AVAILABLE)
    assert found.instance.access_rules_status is AccessRulesStatus.ACTIVE
    made = world(stage.folder, "first").shares[found.instance.id]
    assert (made.size_gib, made.rules) == (2, [("10.0.0.0/8", "rw")])
    snapshot = api.snapshot(share)
    yield
    api.revert(share, snapshot)
    clone = api.share(type_id, network_id=network, snapshot_id=snapshot)
    yield
    assert _status(api, share) is ShareStatus.AVAILABLE
    assert _status(api, clone) is ShareStatus.AVAILABLE
    _once(stage)
    assert [row["status"] for row in api.rows("share_servers")] == ["active"]
    (row,) = api.rows("snapshot_instances")
    assert row["status"] == SnapshotStatus.AVAILABLE
    api.deny(share, rule)
    api.delete(clone)
    api.delete_snapshot(snapshot)
    yield
    assert world(stage.folder, "first").shares[found.instance.id].rules == []
    api.delete(share)
    yield
    for table in ("shares", "share_servers", "snapshots", "access_rules"):
        assert api.rows(table) == [], table


def refused(stage: Stage) -> Stages:
    """The backend can't make the share at all: an error, a message, and nothing left."""
    share, *_ = _new_share(stage)
    yield
    assert _status(stage.api, share) is ShareStatus.ERROR
    assert len(stage.api.messages()) == 1
    assert stage.api.rows("share_servers") == []
    stage.api.delete(share)
    yield
    assert stage.api.rows("shares") == []


def elsewhere(stage: Stage) -> Stages:
    """The backend is full: the other one takes the share, and nothing is left on the first."""
    share, *_ = _new_share(stage)
    yield
    found = stage.api.read(share)
    assert found is not None
    assert found.instance.status is ShareStatus.AVAILABLE
    assert found.instance.host == "node1@second"
    assert [row["host"] for row in stage.api.rows("share_servers")] == ["node1@second"]
    _once(stage, "second")


def stuck(stage: Stage) -> Stages:
    """The backend can't remove the share: it says so, and the row stays."""
    share, *_ = _new_share(stage)
    yield
    assert _status(stage.api, share) is ShareStatus.AVAILABLE
    stage.api.delete(share)
    yield
    assert _status(stage.api, share) is ShareStatus.ERROR_DELETING
    assert len(stage.api.messages()) == 1


def no_snapshot(stage: Stage) -> Stages:
    """The backend can't take a snapshot: an error, and a message."""
    share, *_ = _new_share(stage)
    yield
    stage.api.snapshot(share)
    yield
    (row,) = stage.api.rows("snapshot_instances")
    assert row["status"] == SnapshotStatus.ERROR
    assert len(stage.api.messages()) == 1


def healed(stage: Stage) -> Stages:
    """After a start with another configuration the share is exported as that says."""
    share, *_ = _new_share(stage)
    yield
    stage.restart(addresses=2)
    yield
    assert _status(stage.api, share) is ShareStatus.AVAILABLE
    assert len(stage.api.rows("export_locations")) == 2


def neighbours(stage: Stage) -> Stages:
    """After a reboot the first to be looked at is a new share: the old one comes back too."""
    old, type_id, network = _new_share(stage)
    yield
    new = stage.api.share(type_id, network_id=network)
    yield
    stage.restart(lambda: stage.api.resize(new, 2), rebooted=True)
    yield
    for share in (old, new):
        found = stage.api.read(share)
        assert found is not None
        assert found.instance.status is ShareStatus.AVAILABLE
        assert world(stage.folder, "first").shares[found.instance.id].exported
    _once(stage)


def _ask(stage: Stage, work: Callable[[Tx], T]) -> T:
    with stage.api.db.write() as tx:
        return work(tx)


def adopted(stage: Stage) -> Stages:
    """A server is left as it runs, and adopted again: it has its addresses, and nobody else."""
    share, _, network = _new_share(stage)
    yield
    _ask(stage, lambda tx: tx.execute(update(share_servers).values(is_auto_deletable=False)))
    stage.api.delete(share)
    yield
    (row,) = stage.api.rows("share_servers")
    name = str(row["id"])
    addresses = world(stage.folder, "first").servers[name].addresses
    _ask(stage, lambda tx: use_case.unmanage(tx, ADMIN, name))
    yield
    assert stage.api.rows("share_servers") == []
    assert stage.api.rows("allocations") == []
    foreign = use_case.Foreign(host="node1@first", identifier=name, share_network_id=network)
    server = _ask(stage, lambda tx: use_case.manage(tx, ADMIN, foreign))
    yield
    (row,) = stage.api.rows("share_servers")
    assert (row["id"], row["status"], row["slot"]) == (server.id, "active", 0)
    assert world(stage.folder, "first").servers[name].addresses == addresses
    assert len(stage.api.rows("allocations")) == len(addresses)
    _ask(stage, lambda tx: use_case.delete(tx, ADMIN, server.id))
    yield
    assert stage.api.rows("share_servers") == []
    assert world(stage.folder, "first").servers == {}


def with_admins(stage: Stage) -> Stages:
    """A server has an address of either network, is left and adopted so, and gives both back."""
    share, _, network = _new_share(stage)
    yield
    assert _status(stage.api, share) is ShareStatus.AVAILABLE
    hidden = [row["is_admin_only"] for row in stage.api.rows("export_locations")]
    assert sorted(map(bool, hidden)) == [False, True]
    _once(stage, labels=("user", "admin"))
    _ask(stage, lambda tx: tx.execute(update(share_servers).values(is_auto_deletable=False)))
    stage.api.delete(share)
    yield
    ((name, before),) = world(stage.folder, "first").servers.items()
    _ask(stage, lambda tx: use_case.unmanage(tx, ADMIN, name))
    yield
    assert stage.api.rows("allocations") == []
    foreign = use_case.Foreign(host="node1@first", identifier=name, share_network_id=network)
    server = _ask(stage, lambda tx: use_case.manage(tx, ADMIN, foreign))
    yield
    again = world(stage.folder, "first").servers[name]
    assert (again.addresses, again.admin_addresses) == (before.addresses, before.admin_addresses)
    held = [str(row["label"]) for row in stage.api.rows("allocations")]
    assert sorted(held) == ["admin", "user"]
    _ask(stage, lambda tx: use_case.delete(tx, ADMIN, server.id))
    yield
    assert stage.api.rows("share_servers") == []
    assert world(stage.folder, "first").servers == {}


LIFE = Scenario(life)
ADMINS = Scenario(with_admins, {"admins": True})
SPECIAL = {
    "failure.share.give_up": Scenario(refused, {"fail": ["ensure_share:DriverError:99"]}),
    "failure.share.move": Scenario(elsewhere, {"fail": ["ensure_share:StorageFull:99"]}),
    "failure.share": Scenario(stuck, {"fail": ["remove_share:DriverError:99"]}),
    "failure.snapshot": Scenario(no_snapshot, {"fail": ["ensure_snapshot:DriverError:99"]}),
    "heal.server.exports": Scenario(healed),
    "network.adopt": Scenario(adopted),
    "network.forget": Scenario(adopted),
    "network.leave": Scenario(adopted),
    "server.adopt.record": Scenario(adopted),
    "heal.server.others": Scenario(neighbours),
}
"""Scenarios that reach the steps which no good life reaches."""
