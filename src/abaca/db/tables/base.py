"""The metadata that all tables share, and the column types that behave alike on every database."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    literal_column,
    types,
)
from sqlalchemy.engine import Dialect

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(36)
Name = String(255)
# The ID of a project, user or share type that is one part of a long key: MariaDB's
# keys have at most 3072 bytes, and it counts four for each character.
KeyPart = String(255).with_variant(String(128), "mysql", "mariadb")


class UtcDateTime(types.TypeDecorator[datetime]):
    """An aware UTC time with microseconds, stored without zone."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        """MariaDB drops microseconds unless asked."""
        if dialect.name in {"mysql", "mariadb"}:
            from sqlalchemy.dialects import mysql  # noqa: PLC0415 - only where it is used

            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """SQLite gives text: one look at it makes the aware time."""
        return _aware if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Aware in, naive UTC stored."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Naive UTC stored, aware out."""
        return None if value is None else value.replace(tzinfo=UTC)


def _aware(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def now() -> datetime:
    """The time that rows are stamped with."""
    return datetime.now(UTC)


def new_id() -> str:
    """A new ID for a row."""
    return str(uuid.uuid4())


def id_column() -> Column[str]:
    """Primary key: a UUID in text form."""
    return Column("id", Id, primary_key=True)


def stamps() -> tuple[Column[Any], Column[Any]]:
    """created_at and updated_at."""
    return (
        Column("created_at", UtcDateTime, nullable=False),
        Column("updated_at", UtcDateTime),
    )


def revision_column() -> Column[int]:
    """Counts the changes of a row: each UPDATE that SQLAlchemy writes adds one."""
    return Column(
        "revision",
        Integer,
        nullable=False,
        server_default="0",
        onupdate=literal_column("revision + 1", Integer),
    )


def wire_columns() -> tuple[Column[Any], ...]:
    """Which wire a network is on, and how large its packets may be."""
    return (
        Column("network_type", String(32), nullable=False),
        Column("segmentation_id", Integer),
        Column("physical_network", Name),
        Column("mtu", Integer, nullable=False),
    )


def reference(
    name: str, target: str, *, nullable: bool = False, cascade: bool = False
) -> Column[str]:
    """A foreign key to ``target`` (``table.id``)."""
    key = ForeignKey(target, ondelete="CASCADE" if cascade else None)
    return Column(name, Id, key, nullable=nullable, index=True)
