"""The share network of requests that name none: which one, and who says so.

Asked in this order: the extra spec ``default_share_network`` of the share type,
the configuration option of that name, the public share network that an
administrator designated. The first that says anything decides: if what it names
can't be used the request is refused, and no other is taken instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from abaca.db import public_networks, share_networks
from abaca.db.database import Tx
from abaca.errors import BadRequest, DatabaseUnavailable
from abaca.model.share_network import ShareNetwork
from abaca.model.share_type import ShareType
from abaca.scheduler.driver_mode import DEFAULT_NETWORK_SPEC
from abaca.states import NetworkStatus

LOOKS = 5
"""How often to look for a designated default that moves before it can be locked."""


class Source(StrEnum):
    """Who may say which share network is the default, first things first."""

    SHARE_TYPE = "share_type"
    CONFIGURATION = "configuration"
    DESIGNATED = "designated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one of them says."""

    source: Source
    value: str | None
    """Name or ID; None: nothing."""
    where: str
    """For people: ``default_share_network = lab of the configuration``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """The default that applies, usable or not."""

    said: Said
    network: ShareNetwork | None
    """None if it can't be used."""
    fault: str | None
    """Why it can't; None if it can."""

    def usable(self) -> ShareNetwork:
        """The share network, or `BadRequest` that says who named what and what is wrong with it."""
        if self.network is None:
            raise BadRequest(
                f"{self.said.where} {self.fault}: an administrator has to mend it, "
                "or add share_network_id to the request."
            )
        return self.network


def sources(tx: Tx, share_type: ShareType | None, configured: str | None) -> tuple[Said, ...]:
    """What each of them says, in their order."""
    spec = share_type.extra_specs.get(DEFAULT_NETWORK_SPEC) if share_type else None
    own = _designated(tx)
    of_type = f"share type {share_type.name}" if share_type else "the share type"
    return (
        Said(
            source=Source.SHARE_TYPE,
            value=spec or None,
            where=f"{DEFAULT_NETWORK_SPEC} = {spec} of {of_type}",
        ),
        Said(
            source=Source.CONFIGURATION,
            value=configured or None,
            where=f"{DEFAULT_NETWORK_SPEC} = {configured} of the configuration",
        ),
        Said(
            source=Source.DESIGNATED,
            value=own,
            where=f"The share network {own} that was designated as default through the API",
        ),
    )


def default_network(
    tx: Tx, share_type: ShareType | None, configured: str | None, *, lock: bool = False
) -> Default | None:
    """The default for requests of this type; None if nobody says anything.

    ``configured`` is the configuration option. With ``lock`` the share network
    stays as it is until the transaction ends.
    """
    for _ in range(LOOKS):
        said = next((item for item in sources(tx, share_type, configured) if item.value), None)
        if said is None or said.value is None:
            return None
        found = _resolved(tx, said, said.value, lock=lock)
        if not lock or said.source is not Source.DESIGNATED or _designated(tx) == said.value:
            return found
    raise DatabaseUnavailable(f"the designated share network changed {LOOKS} times meanwhile")


def _designated(tx: Tx) -> str | None:
    """Its ID now: until it was locked it could stop being the default, and so being public."""
    found = public_networks.designated(tx)
    return None if found is None else found.id


def _resolved(tx: Tx, said: Said, name_or_id: str, *, lock: bool) -> Default:
    found = share_networks.visible(tx, name_or_id, None, lock=lock)
    if found is None:
        named = public_networks.named(tx, name_or_id)
        public = [network_id for network_id, is_public in named if is_public]
        if len(public) > 1:
            fault = f"names {len(public)} public share networks; it has to be an ID"
            return Default(said=said, network=None, fault=fault)
        candidates = public or [network_id for network_id, _ in named]
        if candidates:
            found = share_networks.visible(tx, candidates[0], None, lock=lock)
    wrong = _fault(found)
    return Default(said=said, network=None if wrong else found, fault=wrong)


def _fault(network: ShareNetwork | None) -> str | None:
    if network is None:
        return "names no share network that exists"
    if not network.is_public:
        return "is no public share network"
    if network.status is not NetworkStatus.ACTIVE:
        return f"is a share network with status {network.status}"
    return None
