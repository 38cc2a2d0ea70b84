"""Failures outside of a network plugin, tried with every verb, for its conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from abaca.errors import AllocationLost, DatabaseUnavailable, NetworkError, NetworkUnavailable
from abaca.network.plugin import (
    Allocation,
    Claim,
    LooksAgain,
    NetworkMaker,
    NetworkPlugin,
    Rebindable,
    ShowsOrphans,
    TenantRoutes,
)
from abaca.testing.network_subject import Subject, allocate, claims, release

LATER = (NetworkUnavailable, DatabaseUnavailable)
"""What says that the same may work later. The second comes from what the plugin is lent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What share servers have before something fails."""

    subject: Subject
    held: Claim
    leaving: Claim
    hidden: Claim
    newcomer: Claim
    adopter: Claim
    found: list[Allocation]
    """Of the first three, in that order."""
    spare: Allocation
    """Was somebody's, and is free now."""

    @classmethod
    def on(cls, subject: Subject) -> Scene:
        """Allocate and release what it takes."""
        held, leaving, hidden, last = claims(subject, 4)
        *found, spare = allocate(subject, [held, leaving, hidden, last])
        subject.make().release([last])
        (newcomer,), (adopter,) = claims(subject, 1), claims(subject, 1)
        return cls(
            subject=subject,
            held=held,
            leaving=leaving,
            hidden=hidden,
            newcomer=newcomer,
            adopter=adopter,
            found=found,
            spare=spare,
        )

    @property
    def everybody(self) -> list[Claim]:
        """Every claim."""
        return [self.held, self.leaving, self.hidden, self.newcomer, self.adopter]

    def questions(self, plugin: NetworkPlugin) -> dict[str, Callable[[], object]]:
        """The verbs that change nothing when repeated, and one that can't succeed."""
        subnet, host = self.subject.subnet, self.subject.host
        return {
            "status": plugin.status,
            "describe": lambda: plugin.describe(subnet),
            "allocate": lambda: plugin.allocate(subnet, [self.newcomer], host=host),
            "allocate again": lambda: plugin.allocate(subnet, [self.held], host=host),
            "check": lambda: plugin.check(self.found[:1]),
        }

    def verbs(self, plugin: NetworkPlugin) -> dict[str, Callable[[], object]]:
        """All verbs, but for taking a network away: there are servers on it."""
        subject, later = self.subject, datetime.now(UTC) + timedelta(hours=1)
        wanted = dict.fromkeys(self.spare.addresses, self.adopter)
        found: dict[str, Callable[[], object]] = {
            **self.questions(plugin),
            "release": lambda: plugin.release([self.leaving]),
            "adopt": lambda: plugin.adopt(subject.subnet, wanted),
            "forget": lambda: plugin.forget([self.hidden]),
            "collect": lambda: plugin.collect(self.everybody, later),
        }
        if isinstance(plugin, NetworkMaker):
            found["ensure_network"] = partial(
                plugin.ensure_network, subject.subnet, host=subject.host
            )
        return {**found, **self._optional(plugin, later)}

    def _optional(self, plugin: object, later: datetime) -> dict[str, Callable[[], object]]:
        """Those that a plugin may have; a move is begun and undone."""
        subnet, held = self.subject.subnet, self.found[:1]
        found: dict[str, Callable[[], object]] = {}
        if isinstance(plugin, ShowsOrphans):
            found["orphans"] = partial(plugin.orphans, self.everybody, later)
        if isinstance(plugin, LooksAgain):
            found["look_again"] = plugin.look_again
        if isinstance(plugin, TenantRoutes):
            found["tenant_routes"] = partial(plugin.tenant_routes, subnet)
        if isinstance(plugin, Rebindable):
            found["prepare"] = partial(plugin.prepare, held, host=f"{self.subject.host}-other")
            found["abandon"] = partial(plugin.abandon, held, host=f"{self.subject.host}-other")
        return found


def ending(what: str, call: Callable[[], object], allowed: tuple[type[Exception], ...]) -> str:
    """How a verb ended: its error, if that is allowed; empty if it returned."""
    try:
        call()
    except allowed as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever comes out, it must not
        pytest.fail(f"{what} ended with {type(error).__name__}: {error}")
    return ""


def outages(subject: Subject) -> None:
    """While the outside fails, no verb breaks or pretends; afterwards all goes on as before."""
    scene = Scene.on(subject)
    for name, failing in subject.faults.items():
        with failing() as plugin:
            ended = {
                verb: ending(f"{name}: {verb}", call, LATER)
                for verb, call in scene.verbs(plugin).items()
            }
        assert ended["allocate"], f"{name}: allocate gave an address all the same"
        _as_before(scene, released=not ended["release"])
    subject.make().release(scene.everybody)
    for name, failing in subject.faults.items():
        with failing() as plugin:
            if isinstance(plugin, NetworkMaker):
                remove = partial(plugin.remove_network, subject.subnet, host=subject.host)
                ending(f"{name}: remove_network", remove, LATER)
    release(subject, scene.everybody)
    assert not list(subject.left())


def _as_before(scene: Scene, *, released: bool) -> None:
    """What was held is held still, and what was given back is gone; then as in the beginning."""
    subject = scene.subject
    subject.make().check(scene.found[:1])
    assert allocate(subject, [scene.held]) == scene.found[:1]
    if released:
        with pytest.raises(AllocationLost):
            subject.make().check(scene.found[1:2])
    # Forgotten or not: the addresses are still there, for this claim to have.
    mine = dict.fromkeys(scene.found[2].addresses, scene.hidden)
    (adopted,) = subject.make().adopt(subject.subnet, mine)
    assert adopted.addresses == scene.found[2].addresses
    subject.make().release([scene.newcomer, scene.adopter])
    scene.found[1:2] = allocate(subject, [scene.leaving])


def foreign(scene: Scene, error: Exception) -> None:
    """Raised by a library under any verb, it comes out as an error of the contract."""
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    assert scene.subject.raising is not None, "Subject.foreign needs Subject.raising"
    with scene.subject.raising(error) as plugin:
        calls = scene.verbs(plugin)
        calls["release"] = lambda: plugin.release([scene.held])
        for verb, call in calls.items():
            ended = ending(f"{name}: {verb}", call, (NetworkError,))
            assert ended or verb != "allocate", f"{name}: allocate gave an address all the same"
