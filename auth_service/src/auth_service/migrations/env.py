"""Run migrations on the connection that the service hands over."""

from __future__ import annotations

from alembic import context

from auth_service.adapters.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
)
with context.begin_transaction():
    context.run_migrations()
