"""What in a Neutron, or in our rights there, keeps a section from working: `abaca config check`."""

from __future__ import annotations

from collections.abc import Iterator

from abaca.errors import InvalidNetwork, NetworkError, NetworkUnavailable
from abaca.network.neutron_config import Settings
from abaca.network.neutron_networks import Networks
from abaca.network.neutron_remote import Remote

TIMESTAMPS = "standard-attr-timestamp"
DESCRIPTIONS = "standard-attr-description"
PROVIDER = "provider"


def findings(settings: Settings, remote: Remote) -> list[str]:
    """One line per fault, that says what to write or to ask the cloud's operator for."""
    try:
        project = remote.project_id()
        extensions = remote.extensions()
    except NetworkError as error:
        return [f"[{settings.section}] {_unreachable(settings, error)}"]
    lines = [
        f"Neutron has no extension {extension}: {why}"
        for extension, why in _needed(settings)
        if extension not in extensions
    ]
    try:
        lines += _place_findings(settings, remote, project, extensions)
    except NetworkError as error:
        lines.append(_plain(error, settings.section))
    return [f"[{settings.section}] {line}" for line in lines]


def _unreachable(settings: Settings, error: NetworkError) -> str:
    access = settings.access
    who = access.credentials.get("auth_url") or "no Keystone"
    if not access.endpoint and "EndpointNotFound" in str(error):
        region = f" in region_name {access.region}" if access.region else ""
        return (
            f"the catalog of {who} has no network service{region} at interface {access.interface}: "
            "write those that it has, or endpoint_override"
        )
    where = f"endpoint_override {access.endpoint}" if access.endpoint else "the catalog's endpoint"
    what = "can't be reached" if isinstance(error, NetworkUnavailable) else "can't be used"
    return f"Neutron at {where} ({who}) {what}: {error}"


def _needed(settings: Settings) -> Iterator[tuple[str, str]]:
    yield TIMESTAMPS, "orphaned ports have no age, and are never removed; enable it"
    if settings.ports.bind:
        yield "binding", "ports can't be bound to hosts; write bind_ports = false, or enable it"
    if settings.network is None:
        yield PROVIDER, "it does not say what a tenant's network is on the wire; enable it"
    if settings.carving is not None:
        yield "router", "connectivity = routed needs routers; write direct, or enable it"
        yield DESCRIPTIONS, "connectivity = routed knows its networks by theirs; enable it"
    if settings.ports.security is not None:
        yield "port-security", "remove port_security, or enable it"


def _place_findings(
    settings: Settings, remote: Remote, project: str, extensions: frozenset[str]
) -> Iterator[str]:
    networks = Networks(settings, remote)
    if settings.network is not None:
        networks.flat()
    seen = remote.networks(limit="1")
    # In flat mode nobody needs to know what is on the wire; without the extension nobody can.
    if settings.network is not None or PROVIDER not in extensions:
        return
    if seen and seen[0].segments[0].network_type is None:
        yield (
            f"project {project}: the configured user may not see provider attributes "
            "(provider:network_type), so share servers can't be attached to tenants' networks; "
            "give it the role admin or service"
        )


def _plain(error: NetworkError, section: str) -> str:
    """Without the section's name, which each line begins with."""
    text = str(error).removeprefix(f"[{section}] ")
    return text if isinstance(error, InvalidNetwork) else f"Neutron: {text}"
