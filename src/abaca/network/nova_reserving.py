"""Taking addresses: first in the ledger, then in nova; and which ones somebody else has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abaca.errors import AddressesExhausted, AllocationConflict, NetworkNotFound
from abaca.network.nova_api import NovaApi
from abaca.network.nova_pools import Pool
from abaca.network.nova_values import FixedIp
from abaca.network.plugin import AddressLedger, Claim, IPAddress

MOST_REFUSED = 64
"""So many addresses of others may be met in one call: about 2 s of asking nova."""


class Reserving:
    """One section's way of taking addresses."""

    def __init__(self, api: NovaApi, ledger: AddressLedger, rest_seconds: int) -> None:
        self._api = api
        self._ledger = ledger
        self._rest_seconds = rest_seconds

    def take(self, pool: Pool, claims: Sequence[Claim]) -> dict[Claim, IPAddress]:
        """An address of the pool for each claim, the one it has if it has one.

        AddressesExhausted if all others are taken, or too many in a row are
        somebody else's: the next call goes on with those that were not met yet.
        """
        taken = self._take(pool, claims)
        if pool.marks is None:
            return taken
        held = self._ledger.held(claims)
        met: set[IPAddress] = set()
        return {
            claim: self._ours(
                pool, claim, taken[claim], met, marked=held.get((claim, pool.marks)) == taken[claim]
            )
            for claim in claims
        }

    def _take(self, pool: Pool, claims: Sequence[Claim]) -> dict[Claim, IPAddress]:
        return self._ledger.take(
            pool.name, pool.ranges, pool.reserved, claims, rest_seconds=self._rest_seconds
        )

    def _ours(
        self, pool: Pool, claim: Claim, address: IPAddress, met: set[IPAddress], *, marked: bool
    ) -> IPAddress:
        """That address, or the next ones until nova lets us have one.

        What is given back comes last in the ledger's queue: there is no walk over
        the same addresses, and those of an instance that goes come up again.
        """
        known = 0
        while address in met or not self._reserve(pool, claim, address, marked=marked):
            known = known + 1 if address in met else 0
            met.add(address)
            self._ledger.give_back([claim])
            if known > len(met) or len(met) >= MOST_REFUSED:
                raise AddressesExhausted(
                    f"pool {pool.name}: {len(met)} addresses in a row are held by instances or "
                    "reserved in nova by others; name free ones in allowed_ip_ranges, or try again"
                )
            address, marked = self._take(pool, [claim])[claim], False
        return address

    def _reserve(self, pool: Pool, claim: Claim, address: IPAddress, *, marked: bool) -> bool:
        """True if it is reserved for us now; False if somebody else has it."""
        found = self._fixed_ip(pool, address)
        if found.holder is not None or (found.reserved and not marked):
            return False
        if not marked and not self._mark(pool, claim, address):
            return False
        if found.reserved:
            return True
        if not self._api.reserve(address):
            raise NetworkNotFound(f"nova has no address {address} any more")
        # An instance may have got it since we looked. From now on none can.
        if self._fixed_ip(pool, address).holder is None:
            return True
        self._api.unreserve(address)
        return False

    def _mark(self, pool: Pool, claim: Claim, address: IPAddress) -> bool:
        try:
            self._ledger.take_these(str(pool.marks), {address: claim})
        except AllocationConflict:
            return False
        return True

    def _fixed_ip(self, pool: Pool, address: IPAddress) -> FixedIp:
        found = self._api.fixed_ip(address)
        if found is None or found.cidr != pool.cidr:
            raise NetworkNotFound(f"nova has no address {address} on a network {pool.cidr}")
        return found

    def adoptable(self, pool: Pool, wanted: Mapping[IPAddress, Claim]) -> None:
        """Return if nobody else has these; a forgotten address may be had again."""
        if pool.marks is None or not wanted:
            return
        held = self._ledger.held(wanted.values())
        forgotten = self._ledger.forgotten(pool.name)
        for address, claim in wanted.items():
            found = self._fixed_ip(pool, address)
            if found.holder is not None:
                raise AllocationConflict(f"{address} belongs to instance {found.holder}")
            ours = address in forgotten or held.get((claim, pool.marks)) == address
            if found.reserved and not ours:
                raise AllocationConflict(
                    f"{address} is reserved in nova, and not for this; if nobody else uses it, "
                    f"`nova fixed-ip-unreserve {address}` and try again"
                )

    def take_these(self, pool: Pool, wanted: Mapping[IPAddress, Claim]) -> None:
        """Take exactly these, or AllocationConflict."""
        self._ledger.take_these(pool.name, wanted)
        if pool.marks is None:
            return
        self._ledger.take_these(pool.marks, wanted)
        for address, claim in wanted.items():
            if not self._reserve(pool, claim, address, marked=True):
                raise AllocationConflict(f"{address} belongs to an instance")
