"""What is asked of Abaca while it is killed, and what must be true when it is at rest again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from abaca.model.share import Share
from abaca.modes import MULTI_MODES, DriverMode
from abaca.states import AccessRulesStatus, ShareStatus, SnapshotStatus
from abaca.torture.asking import Tenant
from abaca.torture.site import Setting, Site

EVERYBODY = "0.0.0.0/0"
KEPT, LATER = "kept", "later"


@dataclass(kw_only=True)
class Bench:
    """A tenant at a backend, and what they have there."""

    site: Site
    setting: Setting
    tenant: Tenant
    network: str | None = None
    share: str = ""
    snapshot: str = ""
    clone: str = ""
    rule: str = ""
    subnet: str = ""
    server: str = ""

    @property
    def admin(self) -> Tenant:
        """An administrator."""
        return self.site.tenant("ops", admin=True)

    @property
    def heir(self) -> Tenant:
        """Another project."""
        return self.site.tenant("heir")

    def on_network(self, name: str | None = None) -> str | None:
        """A share network of the tenant's, where the mode has share servers."""
        if self.setting.mode.has_share_servers:
            self.network = self.tenant.network(name)
        return self.network

    def new_share(self) -> str:
        """Ask for a share on the network."""
        return self.tenant.share(self.setting.backend, network=self.network)

    def with_share(self, name: str | None = None) -> None:
        """A share with data in it."""
        self.on_network(name)
        self.share = self.new_share()
        self.site.settle()
        self.rule = self.tenant.allow(self.share, EVERYBODY)
        self.site.settle()
        self.site.world.write(self.seen(), KEPT)

    def with_snapshot(self) -> None:
        """A share with data, and later data that is not in its snapshot."""
        self.with_share()
        self.snapshot = self.tenant.snapshot(self.share)
        self.site.settle()
        self.site.world.write(self.seen(), LATER)

    def seen(self, share: str | None = None) -> Share:
        """The share as it is now; it must be there."""
        found = self.tenant.read(share or self.share)
        assert found is not None, f"share {share or self.share} has gone"  # noqa: S101
        return found

    def good(self, share: str | None = None, *, size: int = 1, rules: int = 1) -> Share:
        """The share is available, of this size, with its rules in force; all exports are told."""
        found = self.seen(share)
        state = found.instance.status, found.instance.access_rules_status, found.size
        wanted = ShareStatus.AVAILABLE, AccessRulesStatus.ACTIVE, size
        assert state == wanted, f"{state}, not {wanted}"  # noqa: S101
        assert self.tenant.exports(found), "no export location"  # noqa: S101
        there = self.tenant.rules(found.id)
        assert len(there) == rules, f"{there}, not {rules} rules"  # noqa: S101
        return found

    def holds(self, *names: str, share: str | None = None) -> None:
        """The data are these, undamaged."""
        found = self.site.world.names(self.seen(share))
        assert found == set(names), f"data: {sorted(found)}, not {sorted(names)}"  # noqa: S101

    def gone(self, share: str) -> None:
        """There is no such share."""
        found = self.tenant.read(share)
        assert found is None, f"still there: {found}"  # noqa: S101

    def with_idle_server(self) -> None:
        """A share server without shares, that stays."""
        self.with_share()
        self.tenant.keep_servers()
        (self.server,) = self.tenant.servers()
        self.tenant.delete(self.share)
        self.site.settle()

    def unmanage(self) -> None:
        """Have the server left as it runs."""
        self.admin.unmanage_server(self.server)

    def manage(self) -> None:
        """Have it adopted again."""
        assert self.network is not None  # noqa: S101
        name = f"node@{self.setting.backend}"
        self.server = self.admin.manage_server(name, self.server, self.network)

    def clear(self) -> None:
        """Nothing of the tenants' is left, once all is at rest."""
        if self.server and not self.tenant.servers():
            self.manage()
            self.site.settle()
        for tenant in (self.tenant, self.heir):
            for snapshot in tenant.snapshots():
                tenant.delete_snapshot(snapshot)
                self.site.settle()
            shares = tenant.shares()
            for share in shares:
                tenant.delete(share)
            if shares:
                self.site.settle()
            if self.server:
                for server in tenant.servers():
                    self.admin.delete_server(server)
                self.site.settle()
            networks = tenant.share_networks()
            for network in networks:
                tenant.delete_network(network)
            if networks:
                self.site.settle()


Act = Callable[[Bench], None]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that is asked for."""

    name: str
    before: Act
    """Makes what it needs, and waits for it."""
    ask: Act
    after: Act
    """AssertionError unless all is as it should be."""
    modes: frozenset[DriverMode] = frozenset(DriverMode)
    fake: bool = False
    """Only where the backend's faults can be had at will."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Options of its backend from then on."""
    asleep: bool = False
    """It is asked while no manager runs; and faults are met from the start of one."""
    lasting: bool = False
    """What others have of it stays."""
    unmended: Callable[[Bench], bool] = lambda _bench: False
    """True until what nobody asked for has been mended."""
    requests: int = 1
    """So many are made of it; it is asked for once the last is committed."""


def _on_network(bench: Bench) -> None:
    bench.on_network()


def _allow(bench: Bench) -> None:
    bench.tenant.allow(bench.share, "10.0.0.0/8", "ro")


def _create(bench: Bench) -> None:
    bench.share = bench.new_share()


def _created(bench: Bench) -> None:
    bench.good(rules=0)


def _deleted(bench: Bench) -> None:
    bench.gone(bench.share)


def _neighbours(bench: Bench) -> None:
    bench.with_share()
    bench.clone = bench.new_share()
    bench.site.settle()


def _one_of_two_deleted(bench: Bench) -> None:
    bench.gone(bench.clone)
    bench.good()
    bench.holds(KEPT)


def _extended(bench: Bench) -> None:
    bench.good(size=2)
    bench.holds(KEPT)


def _large(bench: Bench) -> None:
    bench.with_share()
    bench.tenant.extend(bench.share, 2)
    bench.site.settle()


def _whole(bench: Bench) -> None:
    bench.good()
    bench.holds(KEPT)


def _allowed(bench: Bench) -> None:
    bench.good(rules=2)
    bench.holds(KEPT)


def _second_rule(bench: Bench) -> None:
    bench.with_share()
    bench.snapshot = bench.tenant.allow(bench.share, "10.0.0.0/8", "ro")
    bench.site.settle()


def _snapshot(bench: Bench) -> None:
    bench.snapshot = bench.tenant.snapshot(bench.share)


def _taken(bench: Bench) -> None:
    bench.holds(KEPT)
    assert bench.tenant.snapshots() == {  # noqa: S101
        bench.snapshot: str(SnapshotStatus.AVAILABLE)
    }, bench.tenant.snapshots()


def _untaken(bench: Bench) -> None:
    bench.good()
    bench.holds(KEPT, LATER)
    assert not bench.tenant.snapshots(), bench.tenant.snapshots()  # noqa: S101


def _restarted(bench: Bench) -> None:
    bench.good()
    bench.holds(KEPT, LATER)
    assert len(bench.tenant.snapshots()) == 1  # noqa: S101


def _reverted(bench: Bench) -> None:
    bench.good()
    _taken(bench)


def _clone(bench: Bench) -> None:
    bench.clone = bench.tenant.share(
        bench.setting.backend, network=bench.network, snapshot=bench.snapshot
    )


def _cloned(bench: Bench) -> None:
    bench.good()
    bench.holds(KEPT, LATER)
    bench.good(bench.clone, rules=0)
    bench.holds(KEPT, share=bench.clone)


def _on_first(bench: Bench) -> None:
    bench.with_share(bench.setting.tenant_networks[0])


def _add_subnet(bench: Bench) -> None:
    assert bench.network is not None  # noqa: S101
    bench.subnet = bench.tenant.add_subnet(bench.network, bench.setting.tenant_networks[1])


def _on_both(bench: Bench) -> None:
    assert len(bench.tenant.exports(bench.good())) == 2  # noqa: S101, PLR2004
    bench.holds(KEPT)


def _with_both(bench: Bench) -> None:
    _on_first(bench)
    _add_subnet(bench)
    bench.site.settle()


def _remove_subnet(bench: Bench) -> None:
    assert bench.network is not None  # noqa: S101
    bench.tenant.remove_subnet(bench.network, bench.subnet)


def _on_one(bench: Bench) -> None:
    assert len(bench.tenant.exports(bench.good())) == 1  # noqa: S101
    bench.holds(KEPT)


def _failed(bench: Bench) -> None:
    status = bench.seen().instance.status
    assert status is ShareStatus.ERROR, status  # noqa: S101


def _elsewhere(bench: Bench) -> None:
    host = bench.good(rules=0).instance.host or ""
    assert host.endswith("@spare"), host  # noqa: S101


def _undeletable(bench: Bench) -> None:
    status = bench.seen().instance.status
    assert status is ShareStatus.ERROR_DELETING, status  # noqa: S101


def _no_snapshot(bench: Bench) -> None:
    _whole(bench)
    states = set(bench.tenant.snapshots().values())
    assert states == {str(SnapshotStatus.ERROR)}, states  # noqa: S101


def _give(bench: Bench) -> None:
    bench.tenant.give(bench.share, bench.heir)


def _given(bench: Bench) -> None:
    assert bench.good().project_id == bench.heir.project  # noqa: S101
    bench.holds(KEPT)


def _unmanaged(bench: Bench) -> None:
    assert not bench.tenant.servers(), bench.tenant.servers()  # noqa: S101


def _managed(bench: Bench) -> None:
    found = bench.tenant.servers()
    assert list(found.values()) == ["active"], found  # noqa: S101


def _left(bench: Bench) -> None:
    bench.with_idle_server()
    bench.unmanage()
    bench.site.settle()


def _reboot(bench: Bench) -> None:
    bench.site.world.reboot(bench.setting)


def _reboot_and_extend(bench: Bench) -> None:
    _reboot(bench)
    bench.tenant.extend(bench.clone, 2)


def _both_back(bench: Bench) -> None:
    bench.good()
    bench.holds(KEPT)
    bench.good(bench.clone, size=2, rules=0)


def _unserved(bench: Bench) -> bool:
    """True while a share that was exported is not."""
    try:
        for share in (bench.share, bench.site.kept[bench.setting.backend]):
            bench.site.world.names(bench.seen(share))
    except (AssertionError, OSError):
        return True
    return False


def _one_export(bench: Bench) -> bool:
    return len(bench.tenant.exports(bench.seen())) != 2  # noqa: PLR2004


MANAGED_ONLY = frozenset({DriverMode.MANAGED})
SINGLE_ONLY = frozenset({DriverMode.SINGLE})
FAKE_FAILURES = (
    Operation(
        name="create, refused", before=_on_network, ask=_create,
        after=_failed, fake=True, overrides={"fail": "ensure_share:DriverError:99"},
    ),
    Operation(
        name="create, no room", before=_on_network, ask=_create,
        after=_elsewhere, fake=True, modes=MANAGED_ONLY,
        overrides={"fail": "ensure_share:StorageFull:99"},
    ),
    Operation(
        name="delete, refused", before=Bench.with_share, ask=lambda b: b.tenant.delete(b.share),
        after=_undeletable, fake=True, overrides={"fail": "remove_share:DriverError:99"},
    ),
    Operation(
        name="snapshot, refused", before=Bench.with_share, ask=_snapshot,
        after=_no_snapshot, fake=True, overrides={"fail": "ensure_snapshot:DriverError:99"},
    ),
    Operation(
        name="more addresses", before=Bench.with_share, ask=lambda _: None, after=_on_both,
        fake=True, overrides={"addresses": "2"}, asleep=True, lasting=True, unmended=_one_export,
        modes=MANAGED_ONLY,
    ),
    Operation(
        name="unmanage server", before=Bench.with_idle_server, ask=Bench.unmanage,
        after=_unmanaged, fake=True, modes=MULTI_MODES,
    ),
    Operation(
        name="manage server", before=_left, ask=Bench.manage, after=_managed, fake=True,
        modes=MULTI_MODES,
    ),
)  # fmt: skip
OPERATIONS = (
    Operation(
        name="create", before=_on_network, ask=_create, after=_created
    ),
    Operation(
        name="delete", before=Bench.with_share, ask=lambda b: b.tenant.delete(b.share),
        after=_deleted,
    ),
    Operation(
        name="delete one of two", before=_neighbours, ask=lambda b: b.tenant.delete(b.clone),
        after=_one_of_two_deleted,
    ),
    Operation(
        name="extend", before=Bench.with_share, ask=lambda b: b.tenant.extend(b.share, 2),
        after=_extended,
    ),
    Operation(
        name="shrink", before=_large, ask=lambda b: b.tenant.shrink(b.share, 1), after=_whole
    ),
    Operation(
        name="allow", before=Bench.with_share,
        ask=_allow, after=_allowed,
    ),
    Operation(
        name="deny", before=_second_rule, ask=lambda b: b.tenant.deny(b.share, b.snapshot),
        after=_whole,
    ),
    Operation(name="snapshot", before=Bench.with_share, ask=_snapshot, after=_taken),
    Operation(
        name="delete snapshot", before=Bench.with_snapshot,
        ask=lambda b: b.tenant.delete_snapshot(b.snapshot), after=_untaken,
    ),
    Operation(
        name="revert", before=Bench.with_snapshot,
        ask=lambda b: b.tenant.revert(b.share, b.snapshot), after=_reverted,
    ),
    Operation(name="clone", before=Bench.with_snapshot, ask=_clone, after=_cloned),
    Operation(
        name="transfer", before=Bench.with_share, ask=_give, after=_given,
        modes=SINGLE_ONLY, requests=2,
    ),
    Operation(
        name="add subnet", before=_on_first, ask=_add_subnet, after=_on_both,
        modes=MANAGED_ONLY,
    ),
    Operation(
        name="remove subnet", before=_with_both, ask=_remove_subnet, after=_on_one,
        modes=MANAGED_ONLY,
    ),
    Operation(
        name="restart", before=Bench.with_snapshot, ask=lambda _: None, after=_restarted,
        asleep=True,
    ),
    Operation(
        name="reboot", before=Bench.with_share, ask=_reboot, after=_whole, asleep=True,
        unmended=_unserved,
    ),
    Operation(
        name="reboot and extend", before=_neighbours, ask=_reboot_and_extend, after=_both_back,
        asleep=True, unmended=_unserved, modes=MULTI_MODES,
    ),
    *FAKE_FAILURES,
)  # fmt: skip
"""In a multi mode ``create`` sets a share server up, and ``delete`` removes it."""
