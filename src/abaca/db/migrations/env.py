"""Alembic's entry: runs the revisions on the connection, in the transaction, that it is given."""

from __future__ import annotations

from alembic import context

from abaca.db.tables import metadata

connection = context.config.attributes["connection"]
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
