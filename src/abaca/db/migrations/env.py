"""Alembic's entry: runs the revisions on the connection, in the transaction, that it is given."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, event

from abaca.db.tables import metadata

connection: Connection = context.config.attributes["connection"]


def _pass_over_what_exists(
    _connection: Connection, element: object, rows: object, params: object, _options: object
) -> tuple[object, object, object]:
    """Have a statement that was run before do nothing.

    MariaDB commits after each change of the schema: a process that is killed between two of
    them leaves part of a revision behind, and the next one starts it from its beginning.
    """
    for flag in ("if_not_exists", "if_exists"):
        if hasattr(element, flag):
            setattr(element, flag, True)
    return element, rows, params


if connection.dialect.name in {"mysql", "mariadb"}:
    # Every table made from now compares text exactly, trailing spaces too.
    maria = getattr(connection.dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if maria else "utf8mb4_0900_bin"
    connection.exec_driver_sql(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {collation}")
if getattr(connection.dialect, "is_mariadb", False):
    event.listen(connection, "before_execute", _pass_over_what_exists, retval=True)
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite alters a table by making it anew.
    render_as_batch=context.config.attributes.get("batch", True),
    user_module_prefix="",
    # The caller's transaction is the one, also on SQLite.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
