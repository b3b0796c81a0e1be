"""Write deliveries as documents, and read those of all versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from notifier_service.domain import (
    Channel,
    Deleted,
    Delivery,
    Notice,
    Outcome,
    Route,
    State,
)
from tonearm_chassis.mongo import Document

TOMBSTONE = "DELETED"  # in the place of a state; such a document has no owner and is never due

IS_PENDING = {"$eq": ["$state", State.PENDING.value]}
# Documents of versions that knew no fence were fenced by their attempts.
NEXT_FENCE = {"$add": [{"$ifNull": ["$fence", "$attempts"]}, 1]}


def place(document: Document) -> tuple[datetime, str]:
    """Tell where a document stands in lists."""
    return document["requested_at"], document["_id"]


def held(claimed: Delivery) -> Document:
    """Ask for a claimed delivery that is still the claimer's."""
    return {
        "_id": claimed.key,
        "state": State.PENDING.value,
        # Both: a notifier of an earlier version counts nothing but attempts.
        "attempts": claimed.attempts,
        "fence": claimed.fence,
    }


def if_pending(kept: str, else_set: object) -> Document:
    """Keep a field of what is pending, and set it in what is not."""
    return {"$cond": [IS_PENDING, kept, else_set]}


def from_now(seconds: float) -> Document:
    """Tell a moment by the server's clock."""
    return {
        "$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": int(seconds * 1000)}
    }


def document_of(new: Delivery) -> Document:
    """Write a new delivery, due at once."""
    notice, now = new.notice, new.requested_at
    return {
        "_id": new.key,
        "conversion_id": notice.conversion_id,
        "channel": new.route.channel.value,
        "account_id": notice.account_id,
        "recipient": notice.recipient,
        "outcome": notice.outcome.value,
        "video_filename": notice.video_filename,
        "failure_message": notice.failure_message,
        "failure_reason": notice.failure_reason,
        "end_time": notice.end_time,
        "traceparent": notice.traceparent,
        "state": State.PENDING.value,
        "attempts": 0,
        "fence": 0,
        "tries_before": 0,
        "last_error": "",
        "requested_at": now,
        "asked_at": now,
        "not_before": now,
        "lease_until": now,
        **({"webhook_id": new.route.webhook_id} if new.route.webhook_id else {}),
    }


def delivery_of(document: Mapping[str, Any] | None) -> Delivery:
    """Read a delivery. Raises `Deleted` if only a tombstone is left of it."""
    if document is None:
        raise LookupError("a tombstone was swept while its conversion was asked for")
    if document["state"] == TOMBSTONE:
        raise Deleted(document["_id"])
    return Delivery(
        notice=Notice(
            conversion_id=document["conversion_id"],
            account_id=document["account_id"],
            recipient=document["recipient"],
            outcome=Outcome(document["outcome"]),
            video_filename=document["video_filename"],
            failure_message=document["failure_message"],
            # Documents of earlier versions lack these two, and more below.
            failure_reason=document.get("failure_reason") or "",
            end_time=document.get("end_time"),
            traceparent=document["traceparent"],
        ),
        state=State(document["state"]),
        attempts=document["attempts"],
        last_error=document["last_error"],
        requested_at=document["requested_at"],
        asked_at=document.get("asked_at") or document["requested_at"],
        settled_at=document.get("settled_at"),
        tries_before=document.get("tries_before") or 0,
        fence=document.get("fence", document["attempts"]),
        route=Route(Channel(document["channel"]), document.get("webhook_id") or ""),
        unrecorded=tuple(() if document.get("branched", True) else document["webhook_ids"]),
    )
