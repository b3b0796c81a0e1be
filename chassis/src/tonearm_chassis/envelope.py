"""An event in its envelope: CloudEvents 1.0, Kafka protocol binding, binary content mode."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from tonearm_chassis import tracing

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/protobuf"
PREFIX = "ce_"
CORE = frozenset({"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"})

Headers = list[tuple[str, bytes]]
M = TypeVar("M", bound=Message)


class MalformedEvent(Exception):
    """A record that is no event of ours; trying it again cannot help."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event on its way.

    `id` is the dedupe key, `type` the full name of the protobuf message in `payload`, `key` the
    conversion's id, which decides the partition.
    """

    type: str
    key: str
    payload: bytes
    source: str
    time: datetime
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    traceparent: str = ""
    extensions: tuple[tuple[str, str], ...] = ()
    """CloudEvents extension attributes: lower-case letters and digits -> text."""

    @classmethod
    def of(cls, message: Message, *, key: str, source: str, time: datetime) -> Envelope:
        """Put `message` into an envelope that continues the current trace."""
        return cls(
            type=message.DESCRIPTOR.full_name,
            key=key,
            payload=message.SerializeToString(deterministic=True),
            source=source,
            time=time,
            traceparent=tracing.traceparent(),
        )

    def open(self, message_class: builtins.type[M]) -> M:
        """Take the message out. Raises `MalformedEvent` if it is not of that class."""
        if self.type != message_class.DESCRIPTOR.full_name:
            raise MalformedEvent(self.type)
        try:
            return message_class.FromString(self.payload)
        except DecodeError as error:
            raise MalformedEvent(self.type) from error

    def headers(self) -> Headers:
        """Write the record's headers."""
        pairs = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "content-type": CONTENT_TYPE,
        }
        if self.traceparent:
            pairs["traceparent"] = self.traceparent
        pairs |= {f"{PREFIX}{name}": text for name, text in self.extensions}
        return [(name, value.encode()) for name, value in pairs.items()]

    @classmethod
    def from_record(
        cls, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> Envelope:
        """Read a record. Raises `MalformedEvent` if it is no CloudEvent in binary mode."""
        try:
            texts = {name.lower(): (text or b"").decode() for name, text in headers}
            if texts["ce_specversion"] != SPEC_VERSION or texts["content-type"] != CONTENT_TYPE:
                raise MalformedEvent(texts["ce_specversion"])
            return cls(
                type=texts["ce_type"],
                key=(key or b"").decode(),
                payload=value or b"",
                source=texts["ce_source"],
                time=_moment(texts["ce_time"]),
                id=texts["ce_id"],
                traceparent=texts.get("traceparent", ""),
                extensions=tuple(
                    (name.removeprefix(PREFIX), text)
                    for name, text in texts.items()
                    if name.startswith(PREFIX) and name not in CORE
                ),
            )
        except (KeyError, ValueError) as error:
            raise MalformedEvent(str(error)) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:  # RFC 3339 has no such thing; it could mean any hour
        raise ValueError("ce_time: no offset from UTC")
    return moment
