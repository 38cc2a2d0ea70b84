"""Addresses that nobody else on the wire has: asked for before they are given.

An address is the claim's in the ledger before anybody is asked about it, and
marked as tentative until it is known to be good. So a crash at any point leaves
either a good address, or one that is asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from abaca.errors import AddressesExhausted, InvalidNetwork, NetworkUnavailable
from abaca.network.plugin import AsksNeighbours, Claim, IPAddress, PluginHost
from abaca.network.standalone_config import Settings
from abaca.network.standalone_networks import Pool

log = structlog.get_logger()
TRIES = 8
"""So many in a row may be somebody else's before the helper is told to try again later."""
AT_ONCE = 64
"""Addresses put aside that are asked for again in one go."""
NEED_SECONDS = 60
"""When the pool is exhausted, those put aside are asked for again after so long."""


class Probing:
    """Gives addresses of one flat section."""

    def __init__(self, section: str, settings: Settings, host: PluginHost) -> None:
        self._section = section
        self._settings = settings
        self._host = host
        self._ledger = host.ledger

    def ready(self) -> None:
        """InvalidNetwork if this host can't ask anybody."""
        if self._settings.probe is not None:
            self._neighbours()

    def take(self, pool: Pool, claims: Sequence[Claim]) -> dict[Claim, IPAddress]:
        """An address of the pool for each claim; NetworkUnavailable if asking has not ended."""
        if self._settings.probe is None:
            return self._give(pool, claims, tentative=False)
        self._neighbours()
        for _ in range(TRIES):
            given = self._give_or_look_again(pool, claims)
            doubtful = self._ledger.tentative(pool.name, claims)
            if not doubtful:
                return given
            answered = self._ask(pool, doubtful.values())
            good = [claim for claim, address in doubtful.items() if address not in answered]
            self._ledger.confirm(pool.name, good)
            if not answered:
                return given
        raise NetworkUnavailable(
            f"[{self._section}] {TRIES} addresses in a row were somebody else's, and put aside"
        )

    def look_again(self, pools: Sequence[Pool]) -> None:
        """What was put aside long ago is free again, unless somebody still answers for it."""
        probe = self._settings.probe
        if probe is None:
            return
        for pool in pools:
            try:
                self._look_again(pool, probe.again_seconds)
            except NetworkUnavailable as error:
                log.warning("addresses_not_probed", section=self._section, error=str(error))

    def _give(
        self, pool: Pool, claims: Sequence[Claim], *, tentative: bool
    ) -> dict[Claim, IPAddress]:
        return self._ledger.take(
            pool.name,
            pool.ranges,
            pool.reserved,
            claims,
            rest_seconds=self._settings.rest_seconds,
            tentative=tentative,
        )

    def _give_or_look_again(self, pool: Pool, claims: Sequence[Claim]) -> dict[Claim, IPAddress]:
        try:
            return self._give(pool, claims, tentative=True)
        except AddressesExhausted:
            if not self._look_again(pool, NEED_SECONDS):
                raise
        return self._give(pool, claims, tentative=True)

    def _look_again(self, pool: Pool, seconds: int) -> bool:
        """True if some are free again."""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        asked = sorted(self._ledger.aside(pool.name, before), key=int)[:AT_ONCE]
        if not asked:
            return False
        silent = set(asked) - self._ask(pool, asked)
        self._ledger.readmit(pool.name, silent)
        if silent:
            told = sorted(map(str, silent))
            log.info("addresses_free_again", section=self._section, addresses=told)
        return bool(silent)

    def _ask(self, pool: Pool, addresses: Collection[IPAddress]) -> set[IPAddress]:
        """Those that somebody answers for, which are put aside."""
        probe = self._settings.probe
        assert probe is not None  # noqa: S101 - for the type checker
        answered = self._neighbours().who_has(
            addresses, wire=self._host.flat_wire, seconds=probe.seconds
        )
        if answered:
            self._ledger.put_aside(pool.name, answered)
            for address, who in answered.items():
                log.warning(
                    "address_used_by_others", section=self._section, address=str(address), who=who
                )
        return set(answered)

    def _neighbours(self) -> AsksNeighbours:
        fabric: object = self._host.fabric
        if not isinstance(fabric, AsksNeighbours):
            raise InvalidNetwork(
                f"[{self._section}] probe_addresses: the backend's driver has no wires on host "
                f"{self._host.name} to ask on; leave it out"
            )
        return fabric
