"""What the audit knows of the documents that the services keep: their fields and their states."""

from __future__ import annotations

import uuid

from tonearm_chassis.mongo import Document
from tonearm_operations.stores import inside

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
TOLD = frozenset({"SUCCEEDED", "FAILED"})
"""The ends that owners get a notice of."""

CONVERSION_FIELDS: Document = {
    "state": 1, "video.id": 1, "audio": 1, "failure.reason": 1, "fence": 1, "notified": 1,
    "create_time": 1, "sign_time": 1, "end_time": 1, "delete_time": 1, "confirmed": 1,
    "audio_expired": 1,
}  # fmt: skip
CLAIM_FIELDS: Document = {
    "state": 1, "owner": 1, "fence": 1, "lease_until": 1, "create_time": 1, "outcome": 1,
    "order.video_id": 1,
}  # fmt: skip
GRAVE_FIELDS: Document = {"delete_time": 1, "confirmed": 1}
DELIVERY_FIELDS: Document = {
    "conversion_id": 1, "state": 1, "outcome": 1, "requested_at": 1, "not_before": 1,
    "lease_until": 1, "settled_at": 1,
}  # fmt: skip


def is_deleted(conversion: Document) -> bool:
    """Tell whether only a gravestone is left of a conversion, so that its request_id is known."""
    return conversion.get("delete_time") is not None


def is_final(conversion: Document) -> bool:
    """Tell whether a conversion is over."""
    return conversion.get("state") in FINAL


def may_leave_traces(conversion: Document | None, party: str) -> bool:
    """Tell whether a party may still keep something of a conversion: it never forgot it."""
    if conversion is None:
        return False
    return not is_deleted(conversion) or party not in (conversion.get("confirmed") or ())


def is_forgotten(claim: Document) -> bool:
    """Tell whether only a gravestone is left of a claim or a delivery."""
    return claim.get("state") == "DELETED"


def held_audio(claim: Document) -> str | None:
    """Name the audio that the holder of a running claim may be storing; each fence has its own."""
    try:
        conversion = uuid.UUID(str(claim["_id"]))
    except ValueError:
        return None
    return uuid.uuid5(conversion, str(claim.get("fence"))).hex


def own_audio(claim: Document) -> str | None:
    """Name the audio that a claim is the reason of."""
    if claim.get("state") == "SUCCEEDED":
        return str(inside(claim, "outcome", "stored", "audio_id"))
    return held_audio(claim) if claim.get("state") == "RUNNING" else None


def delivery_id(conversion: Document) -> str:
    """Name the delivery of a conversion's notice."""
    return f"{conversion['_id']}:mail"
