"""Who may mount a share: rules are recorded at once, and applied by the share manager.

Rules may change while the share is being worked on; the manager applies the
whole list each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

from abaca.context import Context, Version
from abaca.db import access_rules, shares
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, NotFound
from abaca.model.access_rule import AccessRule
from abaca.model.share import Share
from abaca.share.lookup import own_share
from abaca.share.tasks import enqueue_share
from abaca.states import AccessRulesStatus, AccessState, ShareStatus

TYPES = ("ip",)
LEVELS = ("rw", "ro")
IPV6_SINCE = Version(2, 38)
MOST_METADATA = 128
_CLOSED = frozenset({ShareStatus.DELETING, ShareStatus.ERROR, ShareStatus.ERROR_DELETING})
_LEAVING = frozenset({AccessState.QUEUED_TO_DENY, AccessState.DENYING})


def allow(
    tx: Tx,
    ctx: Context,
    share_id: str,
    *,
    access_type: str,
    access_to: str,
    access_level: str | None,
    metadata: Mapping[str, str],
) -> AccessRule:
    """Record a rule that the manager will apply.

    ``access_to`` is kept as it was written, since clients compare it, but two
    spellings of one network are one rule: `BadRequest` for the second.
    """
    share = own_share(tx, ctx, share_id, lock=True)
    level = _level(access_level)
    wanted = _network(ctx, access_type, access_to)
    if share.instance.host is None or share.instance.status in _CLOSED:
        raise BadRequest(
            f"Share {share_id} is {share.instance.status}; access rules can't be added to it now."
        )
    same = [rule for rule in access_rules.of_share(tx, share_id) if _same(rule, wanted)]
    if any(rule.state not in _LEAVING for rule in same):
        raise BadRequest(
            f"Share access rule exists: {access_type} {access_to} on share {share_id}."
        )
    # One that is being denied makes room: the manager sees the new list only.
    access_rules.remove(tx, [rule.id for rule in same])
    rule = AccessRule(
        id=new_id(),
        share_id=share_id,
        access_type=access_type,
        access_to=access_to.strip(),
        access_level=level,
        state=AccessState.QUEUED_TO_APPLY,
        metadata=dict(metadata),
        created_at=now(),
        updated_at=None,
    )
    access_rules.add(tx, rule)
    _sync(tx, ctx, share)
    return rule


def deny(tx: Tx, ctx: Context, share_id: str, rule_id: str) -> None:
    """Have the manager take the rule away; denied twice is denied."""
    share = own_share(tx, ctx, share_id, lock=True)
    rule = access_rules.get(tx, rule_id)
    if rule is None or rule.share_id != share_id:
        raise NotFound(f"Access rule {rule_id} could not be found on share {share_id}.")
    if share.instance.host is None:
        access_rules.remove(tx, [rule_id])
        return
    if rule.state not in _LEAVING:
        access_rules.set_state(tx, [rule_id], AccessState.QUEUED_TO_DENY)
    _sync(tx, ctx, share)


def of_share(tx: Tx, ctx: Context, share_id: str) -> tuple[Share, list[AccessRule]]:
    """The rules of a share of the caller's project, oldest first, with the share."""
    share = own_share(tx, ctx, share_id, binned=True)
    return share, access_rules.of_share(tx, share_id)


def get(tx: Tx, ctx: Context, rule_id: str) -> tuple[Share, AccessRule]:
    """One rule on a share of the caller's project, with the share."""
    rule = access_rules.get(tx, rule_id)
    if rule is None:
        raise NotFound(f"Access rule {rule_id} could not be found.")
    share = shares.get(tx, rule.share_id)
    if share is None or not (ctx.is_admin or share.project_id == ctx.project_id):
        raise NotFound(f"Access rule {rule_id} could not be found.")
    return share, rule


def set_metadata(tx: Tx, ctx: Context, rule_id: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Set these keys of the rule's metadata, others stay; all of them."""
    _, rule = get(tx, ctx, rule_id)
    merged = {**rule.metadata, **metadata}
    if len(merged) > MOST_METADATA:
        raise BadRequest(f"An access rule has at most {MOST_METADATA} metadata keys.")
    access_rules.set_metadata(tx, rule_id, merged)
    return merged


def unset_metadata(tx: Tx, ctx: Context, rule_id: str, key: str) -> None:
    """Unset one key of the rule's metadata; `NotFound` if it has none of that name."""
    _, rule = get(tx, ctx, rule_id)
    if key not in rule.metadata:
        raise NotFound(f"Access rule {rule_id} has no metadata {key!r}.")
    kept = {name: value for name, value in rule.metadata.items() if name != key}
    access_rules.set_metadata(tx, rule_id, kept)


def _sync(tx: Tx, ctx: Context, share: Share) -> None:
    shares.change_instance(tx, share.instance.id, access_rules_status=AccessRulesStatus.SYNCING)
    enqueue_share(tx, ctx, share)


def _level(text: str | None) -> str:
    if text is None:
        return LEVELS[0]
    if text not in LEVELS:
        raise BadRequest(f"access_level={text!r}: give {' or '.join(LEVELS)}.")
    return text


def _network(ctx: Context, access_type: str, access_to: str) -> IPv4Network | IPv6Network:
    """What an ``ip`` rule admits; `BadRequest` says what is wrong with another."""
    if access_type not in TYPES:
        raise BadRequest(
            f"access_type={access_type!r} is not supported; supported: {', '.join(TYPES)}."
        )
    try:
        # A zone (fe80::1%eth0) means something on one host only.
        network = ip_network(access_to.strip().replace("%", " "))
    except ValueError:
        raise BadRequest(
            f"access_to={access_to!r}: give an IP address or a CIDR without host bits, "
            "for example 10.0.0.5 or 10.0.0.0/24."
        ) from None
    if isinstance(network, IPv6Network) and ctx.version < IPV6_SINCE:
        raise BadRequest(f"IPv6 access rules need API version {IPV6_SINCE}.")
    return network


def _same(rule: AccessRule, wanted: IPv4Network | IPv6Network) -> bool:
    return rule.access_type in TYPES and ip_network(rule.access_to) == wanted
