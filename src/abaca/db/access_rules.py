"""Access rules of shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import delete, insert, select, update

from abaca.db.database import Tx
from abaca.db.rows import dump
from abaca.db.tables import access_rules, now
from abaca.model.access_rule import AccessRule
from abaca.states import AccessState


def get(tx: Tx, rule_id: str) -> AccessRule | None:
    """One rule, whoever's share it is on."""
    return tx.one(AccessRule, select(access_rules).where(access_rules.c.id == rule_id))


def of_share(tx: Tx, share_id: str) -> list[AccessRule]:
    """All rules of the share, oldest first."""
    statement = select(access_rules).where(access_rules.c.share_id == share_id)
    return tx.all(AccessRule, statement.order_by(access_rules.c.created_at, access_rules.c.id))


def add(tx: Tx, rule: AccessRule) -> None:
    """Write a new rule."""
    tx.execute(insert(access_rules).values(dump(rule, access_rules)))


def set_state(tx: Tx, rule_ids: Collection[str], state: AccessState) -> None:
    """Give these rules a state."""
    if rule_ids:
        where = access_rules.c.id.in_(sorted(rule_ids))
        tx.execute(update(access_rules).where(where).values(state=state, updated_at=now()))


def set_metadata(tx: Tx, rule_id: str, metadata: Mapping[str, str]) -> None:
    """These keys and no others."""
    where = access_rules.c.id == rule_id
    tx.execute(update(access_rules).where(where).values(metadata=dict(metadata), updated_at=now()))


def remove(tx: Tx, rule_ids: Collection[str]) -> None:
    """Delete these rules; unknown ones are passed over."""
    if rule_ids:
        tx.execute(delete(access_rules).where(access_rules.c.id.in_(sorted(rule_ids))))
