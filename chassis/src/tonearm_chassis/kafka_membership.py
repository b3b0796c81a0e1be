"""Take part in a consumer group, and let no join be forgotten. Called by kafka-python's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import ConsumerRebalanceListener


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    """Tells that a member takes part, even if there are fewer partitions than members."""

    def __init__(
        self,
        consumer: Any,  # noqa: ANN401 - kafka-python has no types
        assigned: Callable[[], None],
    ) -> None:
        """Call `assigned` each time that `consumer` has joined."""
        self._consumer = consumer
        self._assigned = assigned

    def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002 - it comes again if it was not committed
        """Insist on the join that begins here.

        kafka-python 3.0.12 forgets a join that outlasts one poll if its reason was a change of the
        topics, as after their creation: the group's leader then stands still for ever, expelled
        and without a heartbeat.
        """
        self._consumer._coordinator.request_rejoin()  # noqa: SLF001 - nothing public does it

    def on_partitions_assigned(self, assigned: object) -> None:  # noqa: ARG002 - which ones does not matter
        """Tell it."""
        self._assigned()
