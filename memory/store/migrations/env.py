"""Alembic's entry: migrates over the connection that `memory.store.migrate` hands in, inside its transaction."""

from alembic import context

from memory.store.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
