"""An outbox that keeps its promises in memory."""

from __future__ import annotations

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.errors import Outage
from tonearm_chassis.outbox import OutboxEntry


class InMemoryOutbox:
    """An `Outbox`; `promise` stands for the document write that makes an entry."""

    def __init__(self) -> None:
        """Begin empty and working."""
        self.entries: list[OutboxEntry] = []
        self.away = False

    async def promise(self, document_id: str, topic: str, envelope: Envelope) -> None:
        """Write an entry, as a use case does with the document it tells of."""
        self.entries.append(OutboxEntry(document_id, topic, envelope))

    async def pending(self, limit: int) -> list[OutboxEntry]:
        """List the entries of at most `limit` documents, the oldest promise first."""
        self._reach()
        documents: dict[str, list[OutboxEntry]] = {}
        for entry in self.entries:
            documents.setdefault(entry.document_id, []).append(entry)
        oldest_first = sorted(documents.values(), key=lambda each: each[0].envelope.time)
        return [entry for each in oldest_first[:limit] for entry in each]

    async def mark_published(self, entry: OutboxEntry) -> None:
        """Forget an entry."""
        self._reach()
        self.entries = [each for each in self.entries if each.envelope.id != entry.envelope.id]

    def _reach(self) -> None:
        if self.away:
            raise Outage("store: away")
