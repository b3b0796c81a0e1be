"""Show an account the record of its notices."""

from __future__ import annotations

from dataclasses import dataclass

from notifier_service.domain import Delivery, Position
from notifier_service.ports import DeliveryStore
from notifier_service.use_cases.pages import binding_of, checked_size, position_of, token_of


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; an empty `next_token` marks the last one."""

    deliveries: tuple[Delivery, ...]
    next_token: str


class ListDeliveries:
    """Show an account the record of its notices."""

    def __init__(self, store: DeliveryStore) -> None:
        """List what `store` keeps."""
        self._store = store

    async def __call__(
        self, account_id: str, conversion_id: str, page_size: int, page_token: str
    ) -> Page:
        """List a page of the account's own deliveries, newest first (AIP-158).

        Raises `InvalidPageSize` and `InvalidPageToken`.
        """
        size, binding = checked_size(page_size), binding_of(account_id, conversion_id)
        after = position_of(page_token, binding) if page_token else None
        found = await self._store.newest(account_id, conversion_id, after, size + 1)
        shown = tuple(found[:size])
        if len(found) <= size:
            return Page(shown, "")
        return Page(shown, token_of(Position(shown[-1].requested_at, shown[-1].key), binding))
