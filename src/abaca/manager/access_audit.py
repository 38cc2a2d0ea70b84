"""Access rules in force, against the rows: what an audit sees of them, and has applied again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_network

from sqlalchemy import select

from abaca.db import share_instances
from abaca.db import tables as t
from abaca.db.database import Tx
from abaca.drivers.driver import AccessLevel, AccessRule
from abaca.manager.access import SETTLED
from abaca.manager.looks import look_at_share
from abaca.model.finding import ACCESS_RULE, Direction, Discrepancy
from abaca.states import AccessState, ShareStatus

Rules = Mapping[str, frozenset[AccessRule]]
"""By share instance ID."""


def wanted(tx: Tx, host: str) -> Rules:
    """What the rows say is in force of the backend's shares, but for those that are changed now."""
    instance, rule = t.share_instances.c, t.access_rules.c
    statement = (
        select(instance.id, rule.access_to, rule.access_level, rule.state)
        .join_from(
            t.share_instances, t.access_rules, rule.share_id == instance.share_id, isouter=True
        )
        .where(
            instance.host == host,
            instance.made.is_(True),
            instance.status == str(ShareStatus.AVAILABLE),
        )
    )
    found: defaultdict[str, set[AccessRule]] = defaultdict(set)
    changing = set()
    for row in tx.execute(statement):
        in_force = found[row.id]
        if row.state == AccessState.ACTIVE:
            network = ip_network(row.access_to, strict=False)
            in_force.add(AccessRule(network=network, level=AccessLevel(row.access_level)))
        elif row.state is not None and row.state not in SETTLED:
            changing.add(row.id)
    return {key: frozenset(rules) for key, rules in found.items() if key not in changing}


def differences(
    before: Rules, there: Rules, after: Rules, busy: Collection[str]
) -> Iterator[Discrepancy]:
    """Rules that are in force and in no row, and the reverse; of shares that nobody works on."""
    for share, rules in sorted(before.items()):
        if share in busy or share not in there or after.get(share) != rules:
            continue
        for rule in there[share] - rules:
            yield _told(share, rule, Direction.MISSING_IN_LEDGER)
        for rule in rules - there[share]:
            yield _told(share, rule, Direction.MISSING_IN_WORLD)


def _told(share: str, rule: AccessRule, direction: Direction) -> Discrepancy:
    return Discrepancy(
        kind=ACCESS_RULE,
        resource_id=f"{share}/{rule.level} {rule.network}",
        direction=direction,
        detail=f"of {share}",
    )


def apply_again(tx: Tx, host: str, seen: Collection[Discrepancy]) -> list[Discrepancy]:
    """Have the rules of these shares applied, which admits whom the rows say, and nobody else."""
    rules = [item for item in seen if item.kind == ACCESS_RULE]
    shares = {item.resource_id.partition("/")[0] for item in rules}
    for instance in share_instances.of_host(tx, host) if shares else ():
        if instance.id in shares and instance.status is ShareStatus.AVAILABLE:
            look_at_share(tx, instance)
    return rules
