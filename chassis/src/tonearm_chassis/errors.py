"""The errors that every adapter may raise and every caller may retry."""

from __future__ import annotations


class Outage(Exception):
    """Something this service depends on is away; the same call may succeed later.

    Callers over gRPC see UNAVAILABLE, consumers try the event again. The message names the part
    that is away and goes to the log, never to a caller.
    """


class StorageFull(Outage):
    """A store has no room; the same call may succeed once somebody made some.

    Callers over gRPC see UNAVAILABLE with the reason STORAGE_FULL.
    """
