"""What the audit knows of the documents that the services keep: their fields and their states."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tonearm_chassis.mongo import Document
from tonearm_operations.stores import Scene, inside

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
TOLD = frozenset({"SUCCEEDED", "FAILED"})
"""The ends that owners get a notice of."""
CONVERTER, NOTIFIER = "CONVERTER", "NOTIFIER"

CONVERSION_FIELDS: Document = {
    "state": 1, "video.id": 1, "audio": 1, "failure.reason": 1, "notified": 1, "sign_time": 1,
    "end_time": 1, "delete_time": 1, "confirmed": 1, "video_expire_time": 1, "video_released": 1,
    "audio_expire_time": 1, "audio_expired": 1,
}  # fmt: skip
GRAVE_FIELDS: Document = {"delete_time": 1, "confirmed": 1}
USER_FIELDS: Document = {"video_released": 1}
CLAIM_FIELDS: Document = {
    "state": 1, "create_time": 1, "outcome": 1, "owner": 1, "lease_until": 1, "losses": 1,
    "unsettled": 1, "end_time": 1,
}  # fmt: skip
AUDIO_FIELDS: Document = {
    "state": 1, "owner": 1, "left_behind": 1, "outcome.stored.audio_id": 1, "unsettled": 1,
}  # fmt: skip
DELIVERY_FIELDS: Document = {
    "conversion_id": 1, "state": 1, "outcome": 1, "requested_at": 1, "not_before": 1,
    "lease_until": 1, "settled_at": 1, "webhook_ids": 1,
}  # fmt: skip
ENTRY_FIELDS: Document = {"state": 1, "users": 1, "unsettled": 1, "touch_time": 1}

# After the third worker that vanished over it, a conversion rests for ever longer.
CHANCE_LOSSES = 3
FIRST_LOSS_REST_SECONDS = 2.0
MOST_DOUBLINGS = 7


def is_deleted(conversion: Document) -> bool:
    """Tell whether only a tombstone is left of a conversion, so that its request_id is known."""
    return conversion.get("delete_time") is not None


def is_final(conversion: Document) -> bool:
    """Tell whether a conversion is over."""
    return conversion.get("state") in FINAL


def unconfirmed(conversion: Document) -> list[str]:
    """List who has not answered yet that they stopped, or forgot."""
    if is_deleted(conversion):
        asked = {CONVERTER, NOTIFIER}
    else:
        asked = {CONVERTER} if conversion.get("state") == "CANCELLED" else set()
    return sorted(asked - set(conversion.get("confirmed") or ()))


def may_leave_traces(conversion: Document | None, party: str) -> bool:
    """Tell whether a party may still keep something of a conversion: it never forgot it."""
    if conversion is None:
        return False
    return not is_deleted(conversion) or party in unconfirmed(conversion)


def has_audio(conversion: Document, scene: Scene) -> bool:
    """Tell whether the owner can still ask for the MP3."""
    if conversion.get("state") != "SUCCEEDED" or is_deleted(conversion):
        return False
    expires = conversion.get("audio_expire_time")
    return expires is None or bool(expires > scene.now)


def is_overdue(conversion: Document, scene: Scene, *, expires: str, done: str) -> bool:
    """Tell whether something should be gone by now, and nobody has noted that it is."""
    moment = conversion.get(expires)
    return moment is not None and scene.is_old(moment) and not conversion.get(done)


def is_forgotten(document: Document) -> bool:
    """Tell whether only a tombstone is left of a claim or a delivery."""
    return document.get("state") == "DELETED"


def has_waited(claim: Document, scene: Scene) -> bool:
    """Tell whether a claim that is not over could have been taken for longer than the grace."""
    if claim.get("state") != "RUNNING":
        return False
    lease_end = claim.get("lease_until")
    losses = claim.get("losses") or 0
    if lease_end is None or not claim.get("owner") or losses < CHANCE_LOSSES:
        return scene.is_old(lease_end)
    doublings = min(losses - CHANCE_LOSSES, MOST_DOUBLINGS)
    return scene.is_old(lease_end + timedelta(seconds=FIRST_LOSS_REST_SECONDS * 2**doublings))


def audio_of(claim: Document) -> Iterator[object]:
    """Name the audio of a claim: stored, being stored, or about to be removed.

    Each attempt stores under the name of its owner.
    """
    if claim.get("state") == "SUCCEEDED" or claim.get("unsettled"):
        yield inside(claim, "outcome", "stored", "audio_id")
    if claim.get("state") == "RUNNING" or claim.get("unsettled"):
        yield claim.get("owner")
        yield from claim.get("left_behind") or ()


def was_settled(delivery: Document) -> bool:
    """Tell whether a delivery was handed over or given up."""
    return delivery.get("state") in ("DELIVERED", "ABANDONED")


def webhook_delivery_ids(mail: Document) -> Iterator[str]:
    """Name the deliveries to webhooks that the same notice has."""
    for webhook_id in mail.get("webhook_ids") or ():
        yield f"{mail.get('conversion_id')}:webhook:{webhook_id}"


def delivery_id(conversion: Document) -> str:
    """Name the delivery of a conversion's notice by mail, for which the gateway waits."""
    return f"{conversion['_id']}:mail"
