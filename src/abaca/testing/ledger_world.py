"""A small world for network plugins that keep their addresses in the ledger: a real database.

::

    @pytest.fixture
    def subject(self, tmp_path: Path) -> Iterator[Subject]:
        with ledger_world(tmp_path) as world:
            yield world.subject(MyPlugin, {"my_option": 1}, DriverMode.FLAT, capacity=12, ...)
"""

from __future__ import annotations

import functools
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import delete, event, select

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry
from abaca.errors import DatabaseUnavailable
from abaca.modes import DriverMode
from abaca.network.plugin import Allocation, NetworkPlugin, PluginHost, SubnetRef
from abaca.testing.network_subject import Failing, Subject
from abaca.testing.power import Power
from abaca.testing.recording_fabric import RecordingFabric

SECTION = "net"
PROJECT = "project1"
Values = Mapping[str, object]
Trouble = Callable[[], AbstractContextManager[object]]
"""As long as it lasts, something outside of the plugin is not as it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWorld:
    """A ledger and a registry in a database, wires that only remember, and a power switch."""

    database: Database
    fabric: RecordingFabric = field(default_factory=RecordingFabric)
    power: Power = field(default_factory=Power)

    def host(self, mode: DriverMode) -> PluginHost:
        """What Abaca lends to a plugin; each call to it ticks."""
        return PluginHost(
            name="host1",
            mode=mode,
            ledger=self.power.wired(DatabaseLedger(self.database)),
            registry=self.power.wired(DatabaseRegistry(self.database)),
            fabric=self.power.wired(self.fabric),
        )

    def left(self) -> list[str]:
        """Addresses that have an owner, networks that were made, and routers."""
        with self.database.read() as tx:
            held = tx.execute(
                select(tables.addresses.c.address).where(tables.addresses.c.owner.is_not(None))
            ).scalars()
            made = tx.execute(select(tables.made_networks.c.wire)).scalars()
            return [*held, *made, *self.fabric.routers()]

    def lose(self, found: Allocation) -> None:
        """The ledger does not know of the allocation's first address any more."""
        with self.database.write() as tx:
            tx.execute(
                delete(tables.addresses).where(
                    tables.addresses.c.owner == found.claim.owner,
                    tables.addresses.c.address == str(found.addresses[0]),
                )
            )

    def subject(
        self,
        plugin: type[NetworkPlugin],
        values: Values,
        mode: DriverMode,
        *,
        capacity: int,
        wrong_values: Values,
        wrong_net_id: str | None = None,
        net_id: str | None = None,
        vanish: Callable[[], None] = lambda: None,
        faults: Mapping[str, Trouble] | None = None,
    ) -> Subject:
        """The plugin, with a section of these values.

        ``net_id`` and ``wrong_net_id`` are IDs by which a share network names a network that is
        there, and one that can't be used. Without the latter (flat) the wrong section is tried.
        ``faults``: what else than the database can fail.
        """
        trial = _Trial(self, plugin, mode)
        flat = SubnetRef(key=SECTION)
        subnet = flat if mode is DriverMode.FLAT else _subnet(net_id)
        unusable = (wrong_values, subnet)
        if wrong_net_id is not None:
            unusable = (values, _subnet(wrong_net_id))
        return Subject(
            make=lambda: trial.make(values),
            mode=mode,
            subnet=subnet,
            capacity=capacity,
            wrong=lambda: (trial.make(unusable[0]), unusable[1]),
            wrong_values=wrong_values,
            power=self.power,
            lose=self.lose,
            vanish=vanish,
            left=self.left,
            faults=trial.faults(values, faults or {}),
            in_process=functools.partial(_elsewhere, plugin, self._url(), dict(values), mode),
            values=values,
            ledger=DatabaseLedger(self.database),
            without_wires=lambda: trial.without_wires(values),
        )

    def _url(self) -> str:
        return self.database.engine.url.render_as_string(hide_password=False)


@contextmanager
def ledger_world(folder: Path) -> Iterator[LedgerWorld]:
    """A world whose database is a file in that folder."""
    database = Database(f"sqlite:///{folder}/ledger.db")
    without_sync(database)
    database.create_schema()
    try:
        yield LedgerWorld(database=database)
    finally:
        database.close()


def without_sync(database: Database) -> None:
    """Don't wait for the disk: a killed process loses nothing by it, only a machine would."""
    event.listen(
        database.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous = OFF")
    )


def _elsewhere(
    plugin: type[NetworkPlugin], url: str, values: Values, mode: DriverMode
) -> NetworkPlugin:
    """As another process of the service has it; its database is closed when it goes."""
    world = LedgerWorld(database=Database(url))
    made = plugin.from_config(SECTION, values, world.host(mode))
    weakref.finalize(made, world.database.close)
    return made


def _subnet(net_id: str | None) -> SubnetRef:
    return SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id=net_id)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Instances of one plugin on a world, sound and unsound."""

    world: LedgerWorld
    plugin: type[NetworkPlugin]
    mode: DriverMode

    def make(self, values: Values) -> NetworkPlugin:
        return self.plugin.from_config(SECTION, values, self.world.host(self.mode))

    def without_wires(self, values: Values) -> NetworkPlugin:
        host = replace(self.world.host(self.mode), fabric=None)
        return self.plugin.from_config(SECTION, values, host)

    def faults(
        self, values: Values, others: Mapping[str, Trouble]
    ) -> dict[str, Callable[[], Failing]]:
        return {
            "down": functools.partial(self.without_database, values),
            **{
                name: functools.partial(self.during, trouble, values)
                for name, trouble in others.items()
            },
        }

    @contextmanager
    def during(self, trouble: Trouble, values: Values) -> Iterator[NetworkPlugin]:
        with trouble():
            yield self.make(values)

    @contextmanager
    def without_database(self, values: Values) -> Iterator[NetworkPlugin]:
        nothing: Any = _Down()
        host = replace(self.world.host(self.mode), ledger=nothing, registry=nothing)
        yield self.plugin.from_config(SECTION, values, host)


class _Down:
    """A ledger and a registry whose database does not answer."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def call(*_: object, **__: object) -> NoReturn:
            raise DatabaseUnavailable(f"{name}: the database does not answer")

        return call
