"""What makes two pieces of work the same, so that the result of one is that of the other."""

from __future__ import annotations

import hashlib
from typing import NewType

from converter_service.domain.claims import Order

WorkId = NewType("WorkId", str)


def work_of(order: Order, engine: str) -> WorkId:
    """Name what is to be made: of these bytes, in this way, by this very engine."""
    parts = (order.sha256, order.options.canonical(), engine)
    return WorkId(hashlib.sha256("\n".join(parts).encode()).hexdigest())
