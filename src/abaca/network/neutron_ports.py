"""Ports of ours: which claim a port is, and that there is never more than one for it.

A port's `device_owner` is the owner tag, its `device_id` the share server and its
name the rest of the claim: all in the one call that makes it, so a port that
nobody heard of is found again. Its MAC address follows from the claim, and
Neutron has no two ports with one MAC address on a network: of two that make the
same port at the same time, one is refused and finds the other's.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from abaca.errors import AllocationConflict, NetworkUnavailable
from abaca.network.neutron_config import Settings
from abaca.network.neutron_errors import MacTaken
from abaca.network.neutron_networks import Place
from abaca.network.neutron_remote import Remote
from abaca.network.neutron_values import UNUSABLE, NeutronPort
from abaca.network.plugin import Claim, IPAddress, Label

SALTS = 4
"""A forgotten port keeps its MAC address; so many of one claim can be on a network."""
NEVER = datetime.max.replace(tzinfo=UTC)


def name_of(claim: Claim) -> str:
    """The name of a claim's port."""
    return f"abaca/{claim.label}/{claim.index}/{claim.subnet}"


def claim_of(port: NeutronPort) -> Claim | None:
    """The claim that a port is for; None if its name says nothing of the kind."""
    first, label, index, subnet = [*port.name.split("/", 3), "", "", ""][:4]
    if first != "abaca" or label not in set(Label) or not index.isdecimal() or not subnet:
        return None
    return Claim(owner=port.device_id, label=Label(label), subnet=subnet, index=int(index))


def mac_of(claim: Claim, salt: int) -> str:
    """Locally administered, and the same for the same claim and salt."""
    text = f"{claim.owner}/{claim.label}/{claim.subnet}/{claim.index}/{salt}"
    octets = hashlib.sha256(text.encode()).digest()[:5]
    return ":".join(["02", *(f"{octet:02x}" for octet in octets)])


class Ports:
    """Makes, finds and removes the ports of claims."""

    def __init__(self, settings: Settings, remote: Remote) -> None:
        self._options = settings.ports
        self._remote = remote
        self.tag = f"{settings.owner_tag}:share-server"
        self.forgotten_tag = f"{settings.owner_tag}:forgotten"

    def of(self, claims: Collection[Claim]) -> dict[Claim, NeutronPort]:
        """The ports that these claims have. Surplus ones are removed."""
        found: defaultdict[Claim, list[NeutronPort]] = defaultdict(list)
        for port in self._all_of(claims):
            claim = claim_of(port)
            if claim is not None:
                found[claim].append(port)
        for ports in found.values():
            ports.sort(key=lambda port: (port.created_at or NEVER, port.id))
            for surplus in ports[1:]:
                self._remote.delete_port(surplus.id)
        return {claim: found[claim][0] for claim in claims if claim in found}

    def _all_of(self, claims: Collection[Claim]) -> list[NeutronPort]:
        """Every port of the claims' share servers."""
        if not claims:
            return []
        owners = [item.owner for item in claims]
        return self._remote.ports_of(
            owners, device_owner=self.tag, project_id=self._remote.project_id()
        )

    def make(
        self,
        place: Place,
        claims: Sequence[Claim],
        host: str | None,
        wanted: Mapping[Claim, Sequence[IPAddress]] | None = None,
    ) -> dict[Claim, NeutronPort]:
        """A port on each of the place's subnets for each claim that had none.

        ``host`` is None where it isn't known yet; `bound` binds them later.
        """
        made: dict[Claim, NeutronPort] = {}
        left = list(claims)
        for salt in range(SALTS):
            bodies = [
                self._body(place, claim, salt, host, (wanted or {}).get(claim, ()))
                for claim in left
            ]
            try:
                made |= dict(zip(left, self._remote.create_ports(bodies), strict=True))
            except MacTaken:
                made |= self.of(left)
                left = [claim for claim in left if claim not in made]
                if not left:
                    return made
            else:
                return made
        raise AllocationConflict(
            f"network {place.network.id}: {SALTS} forgotten ports have the MAC addresses of share "
            f"server {left[0].owner}; delete them in Neutron"
        )

    def _body(
        self, place: Place, claim: Claim, salt: int, host: str | None, wanted: Sequence[IPAddress]
    ) -> dict[str, object]:
        fixed = []
        for subnet in place.subnets:
            one: dict[str, str] = {"subnet_id": subnet.id}
            address = next((item for item in wanted if item in subnet.value.cidr), None)
            if address is not None:
                one["ip_address"] = str(address)
            fixed.append(one)
        body: dict[str, object] = {
            "network_id": place.network.id,
            "fixed_ips": fixed,
            "mac_address": mac_of(claim, salt),
            **self._identity(claim),
            **({} if host is None else self._binding(host)),
        }
        if self._options.security is not None:
            body["port_security_enabled"] = self._options.security
        return body

    def _identity(self, claim: Claim) -> dict[str, object]:
        return {"name": name_of(claim), "device_id": claim.owner, "device_owner": self.tag}

    def _binding(self, host: str) -> dict[str, object]:
        body: dict[str, object] = {}
        if self._options.bind:
            body["binding:host_id"] = self._options.host or host
            if self._options.vnic_type != "normal":
                body["binding:vnic_type"] = self._options.vnic_type
            if self._options.profile:
                body["binding:profile"] = json.loads(self._options.profile)
        return body

    def bound(self, port: NeutronPort, host: str) -> NeutronPort:
        """The port, on this host; tried again if Neutron could not bind it before."""
        if not self._options.bind:
            return port
        if port.host == (self._options.host or host) and port.vif_type not in UNUSABLE:
            return port
        return self._remote.update_port(port.id, self._binding(host))

    def usable(self, port: NeutronPort) -> None:
        """Return if the port works; NetworkUnavailable if it doesn't yet."""
        if self._options.bind and port.vif_type in UNUSABLE:
            raise NetworkUnavailable(
                f"Neutron can't bind port {port.id} to host {port.host}: no live agent or driver "
                "of Neutron serves its network there; start it, or set binding_host to the host's "
                "name in Neutron"
            )
        if self._options.wait_active and port.status != "ACTIVE":
            raise NetworkUnavailable(f"port {port.id} is {port.status}, not ACTIVE yet")

    def release(self, claims: Collection[Claim]) -> None:
        """The claims have no port any more."""
        wanted = set(claims)
        for port in self._all_of(claims):
            if claim_of(port) in wanted:
                self._remote.delete_port(port.id)

    def forget(self, claims: Collection[Claim]) -> None:
        """Their ports stay, as nobody's."""
        for port in self.of(claims).values():
            self._remote.update_port(port.id, {"device_owner": self.forgotten_tag})

    def at(self, place: Place, address: IPAddress) -> NeutronPort | None:
        """The port with that address on the network, whosever it is."""
        found = self._remote.ports(network_id=place.network.id, fixed_ips=[f"ip_address={address}"])
        # Neutron compares text, so an IPv6 address may be spelt otherwise in what it finds.
        return next(
            (port for port in found if address in {item for _, item in port.addresses}), None
        )

    def is_ours(self, port: NeutronPort) -> bool:
        """True if a deployment of this tag made it."""
        return port.project_id.replace("-", "") == self._remote.project_id().replace("-", "")

    def take_over(self, port: NeutronPort, claim: Claim) -> NeutronPort:
        """A forgotten port is the claim's."""
        return self._remote.update_port(port.id, self._identity(claim))

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[NeutronPort]:
        """Ports of ours, of a known age, that are no claim's in ``keep``."""
        found = self._remote.ports(device_owner=self.tag, project_id=self._remote.project_id())
        kept = set(keep)
        return [
            port
            for port in found
            if (claim := claim_of(port)) is not None
            and claim not in kept
            and port.created_at is not None
            and port.created_at < older_than
        ]

    def remove(self, port: NeutronPort) -> None:
        """It is gone."""
        self._remote.delete_port(port.id)
