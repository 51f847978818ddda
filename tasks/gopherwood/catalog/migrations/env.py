"""How alembic runs our migrations: on the connection that `Catalog.migrate` passes, inside its transaction and lock."""

from alembic import context

from gopherwood.catalog import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema.metadata)
context.run_migrations()
