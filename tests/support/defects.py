"""Network plugins that break the contract, each in one way: what a conformance suite must see."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from abaca.errors import AddressesExhausted, AllocationLost, NetworkNotFound, NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.plugin import (
    AddressPool,
    Allocation,
    Claim,
    IPAddress,
    Label,
    NetworkPlugin,
    Route,
    Segment,
    SubnetRef,
)
from abaca.network.standalone import StandalonePlugin
from abaca.testing.kinds import Capability, Kind


class GivesTheGateway(FakePlugin):
    """Reserved addresses are given out."""

    def allocate(self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str):
        """The gateway's, to everybody."""
        found = super().allocate(subnet, claims, host=host)
        gateways = [item.gateway for item in found[0].segment.subnets]
        return [replace(item, addresses=tuple(gateways)) for item in found]


class ChangesItsMind(FakePlugin):
    """A repeated answer is another."""

    def allocate(self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str):
        """A new ID each time."""
        found = super().allocate(subnet, claims, host=host)
        return [replace(item, id=str(uuid.uuid4())) for item in found]


class Reshuffles(FakePlugin):
    """Who asks for more loses what it had."""

    def allocate(self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str):
        """All anew, the last first."""
        if len(claims) > 1:
            self.release(claims)
        return super().allocate(subnet, claims[::-1], host=host)[::-1]


class GivesTwice(FakePlugin):
    """Nobody looks at who else has the address."""

    def allocate(self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str):
        """The n-th of the network for the n-th interface of every server."""
        return [
            replace(
                item,
                addresses=tuple(part.cidr[2 + item.claim.index] for part in item.segment.subnets),
            )
            for item in super().allocate(subnet, claims, host=host)
        ]


class MixesLabels(FakePlugin):
    """User and admin addresses go together."""

    def release(self, claims: Collection[Claim]) -> None:
        """Whatever the label."""
        super().release([replace(item, label=label) for item in claims for label in Label])


class TagsLate(FakePlugin):
    """What was made is marked in a second call."""

    def allocate(self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str):
        """First nobody's, then the claim's."""
        missing = [item for item in claims if self.cloud.port(item) is None]
        for claim in missing:
            nobody = replace(claim, owner=f"new-{uuid.uuid4()}")
            super().allocate(subnet, [nobody], host=host)
            with self.cloud.call("tag_port"):
                port = self.cloud.port(nobody)
                port.claim = claim
                port.allocation = replace(port.allocation, claim=claim)
        return super().allocate(subnet, claims, host=host)


class MissesTheUnknown(FakePlugin):
    """Releasing what is gone fails."""

    def release(self, claims: Collection[Claim]) -> None:
        """It wants to find them all."""
        if any(self.cloud.port(item) is None for item in claims):
            raise AllocationLost("there is no such port")
        super().release(claims)


class KeepsAddresses(FakePlugin):
    """A released address never comes back."""

    def release(self, claims: Collection[Claim]) -> None:
        """Nobody's, and still taken."""
        super().forget(claims)


class CallsItFull(FakePlugin):
    """A network that is not there is said to have no room."""

    def allocate(self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str):
        """Whatever is wrong with it."""
        try:
            return super().allocate(subnet, claims, host=host)
        except NetworkNotFound as error:
            raise AddressesExhausted("no address") from error


class PretendsToRelease(FakePlugin):
    """Failures are passed over."""

    def release(self, claims: Collection[Claim]) -> None:
        """Says that it is done, whether it is or not."""
        with suppress(NetworkUnavailable):
            super().release(claims)


class AdoptsAnything(FakePlugin):
    """Nobody looks at whose it is."""

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """The gateway, say."""
        segment = self.describe(subnet)
        return [self._adopt(segment, [address], claim) for address, claim in wanted.items()]


class ForgetsAll(FakePlugin):
    """What is no longer managed is free for others."""

    def forget(self, claims: Collection[Claim]) -> None:
        """As if it were released."""
        self.release(claims)


class CollectsTheYoung(FakePlugin):
    """What somebody is just about to claim is removed."""

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Whatever its age."""
        return super().collect(keep, older_than + timedelta(days=1))


class LooksAtNothing(FakePlugin):
    """All is well, always."""

    def check(self, allocations: Sequence[Allocation]) -> None:
        """Nobody is asked."""


class Walks(FakePlugin):
    """Looks for a free address one by one."""

    def describe(self, subnet: SubnetRef) -> Segment:
        """Begins far from the end."""
        for _ in range(200):
            super().describe(subnet)
        return super().describe(subnet)


class StandsOnALibrary(FakePlugin):
    """Of a package whose exceptions nobody thought of."""

    __module__ = "support.foreign"


DEFECTS: dict[Kind, type[FakePlugin]] = {
    Kind.ADDRESSES: GivesTheGateway,
    Kind.REPEATED: ChangesItsMind,
    Kind.MORE: Reshuffles,
    Kind.TOGETHER: GivesTwice,
    Kind.LABELS: MixesLabels,
    Kind.CRASH: TagsLate,
    Kind.RELEASE: MissesTheUnknown,
    Kind.FULL: KeepsAddresses,
    Kind.WRONG: CallsItFull,
    Kind.OUTAGE: PretendsToRelease,
    Kind.ADOPT: AdoptsAnything,
    Kind.FORGET: ForgetsAll,
    Kind.COLLECT: CollectsTheYoung,
    Kind.LOST: LooksAtNothing,
    Kind.IPV6: Walks,
    Kind.EXCEPTIONS: StandsOnALibrary,
}
"""By the kind of case that must see it."""


class TellsOtherPools(StandalonePlugin):
    """The usage of its networks is looked for where nothing is."""

    @classmethod
    def address_pools(cls, section: str, values: Mapping[str, object]) -> tuple[AddressPool, ...]:
        """By names that the ledger does not have."""
        found = super().address_pools(section, values)
        return tuple(replace(item, name=f"{item.name}-other") for item in found)


class HidesItsNeeds(StandalonePlugin):
    """It is found out only when a share server is made."""

    @classmethod
    def needs_wires(cls, values: Mapping[str, object], mode: DriverMode) -> str | None:
        """Nothing, it says."""
        super().needs_wires(values, mode)
        return None


class LeadsNowhere(StandalonePlugin):
    """Machines of the tenant are told to reach the servers by themselves."""

    def tenant_routes(self, subnet: SubnetRef) -> tuple[Route, ...]:
        """By an address behind the hop."""
        found = super().tenant_routes(subnet)
        return tuple(replace(item, next_hop=item.destination[2]) for item in found)


class MovesAtOnce(FakePlugin):
    """The old host loses what the server still uses there."""

    def prepare(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """As if all were done."""
        self.activate(allocations, host=host)


CAPABILITY_DEFECTS: dict[Capability, type[NetworkPlugin]] = {
    Capability.POOLS: TellsOtherPools,
    Capability.WIRES: HidesItsNeeds,
    Capability.ROUTES: LeadsNowhere,
    Capability.REBINDING: MovesAtOnce,
}
"""By the capability whose cases must see it."""
