"""What a claim looks like in MongoDB: one document a conversion, until it is a tombstone."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from converter_service import wire
from converter_service.adapters.option_documents import options_of
from converter_service.adapters.source_documents import source_of
from converter_service.domain import (
    ALONE_AFTER,
    Attempts,
    AudioId,
    Claim,
    ConversionId,
    DueOrder,
    Failed,
    FailureReason,
    Measured,
    Order,
    Outcome,
    StoredAudio,
    Succeeded,
    VideoId,
)
from tonearm_chassis.envelope import Envelope
from tonearm_chassis.mongo import Document
from tonearm_chassis.outbox import entry_document

# RUNNING without a lease that runs means: due.
RUNNING, SUCCEEDED, FAILED, CANCELLED, DELETED = (
    "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "DELETED",
)  # fmt: skip
FINISHED = (SUCCEEDED, FAILED)
CALLED_OFF = (CANCELLED, DELETED)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = ""
# What an outcome tells since there are options.
ABOUT = ("source", "loudness", "is_copy")
# How long a conversion rests after its n-th worker vanished: the first ones may have been chance.
LOSS_REST_MS = [0, 0, 0, *(2000 * 2**power for power in range(8))]
# Whoever stores more often leaves the oldest attempts to the sweeper.
REMEMBERED_NAMES = 100

# As numbers, because SecantusDB 0.7 takes any stored date for equal to $$NOW.
LEASE_END: Document = {"$toLong": "$lease_until"}
NOW: Document = {"$toLong": "$$NOW"}
HAS_OWNER: Document = {"$gt": [{"$ifNull": ["$owner", NOBODY]}, NOBODY]}
# Who took the claim alone is noted by its owner's number: old workers know nothing of the field,
# leave it as it is, and are owners of their own.
WAS_ALONE: Document = {
    "$and": [HAS_OWNER, {"$eq": [{"$ifNull": ["$lone_owner", NOBODY]}, "$owner"]}]
}
# Losses, with that of the holder whom a new one takes over from.
LOSSES: Document = {"$add": [{"$ifNull": ["$losses", 0]}, {"$cond": [HAS_OWNER, 1, 0]}]}
GOES_ALONE: Document = {"$gte": [LOSSES, ALONE_AFTER]}
LOSS_REST: Document = {
    "$cond": [
        HAS_OWNER,
        {
            "$arrayElemAt": [
                {"$literal": LOSS_REST_MS},
                {"$min": [{"$ifNull": ["$losses", 0]}, len(LOSS_REST_MS) - 1]},
            ]
        },
        0,
    ]
}
IS_DUE: Document = {"$lte": [{"$add": [LEASE_END, LOSS_REST]}, NOW]}
IS_LET_GO: Document = {"$or": [{"$not": [HAS_OWNER]}, {"$lte": [LEASE_END, NOW]}]}
IS_FREE: Document = {
    "$or": [
        {"$eq": [{"$type": "$state"}, "missing"]},
        {"$and": [{"$eq": ["$state", RUNNING]}, IS_DUE]},
    ]
}


def from_now(seconds: float) -> Document:
    """Write the server's time, and so much later."""
    return {
        "$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": round(seconds * 1000)}
    }


def claiming(order: Order, owner: str, lease_seconds: float, *, is_alone: bool) -> list[Document]:
    """Write the update that decides who gets a conversion."""
    is_free = IS_FREE if is_alone else {"$and": [IS_FREE, {"$not": [GOES_ALONE]}]}
    changes: Document = {
        "state": RUNNING,
        "owner": owner,
        "lease_until": from_now(lease_seconds),
        "fence": {"$add": [{"$max": [{"$ifNull": ["$fence", 0]}, order.fence_floor]}, 1]},
        "engine_failures": {"$ifNull": ["$engine_failures", 0]},
        "losses": LOSSES,
        "losses_alone": {"$add": [{"$ifNull": ["$losses_alone", 0]}, {"$cond": [WAS_ALONE, 1, 0]}]},
        "lone_owner": owner if is_alone else NOBODY,
        "outages": {"$ifNull": ["$outages", 0]},
        "shortages": {"$ifNull": ["$shortages", 0]},
        "create_time": order.create_time,
        "order": {"$literal": order_document(order)},
        "left_behind": {"$ifNull": ["$left_behind", []]},
    }
    return [
        {"$set": {"is_free": is_free}},
        {
            "$set": {
                field: {"$cond": ["$is_free", value, f"${field}"]}
                for field, value in changes.items()
            }
        },
        {"$unset": "is_free"},
    ]


def new_claim(order: Order) -> Document:
    """Write the claim of an order that nobody has taken yet."""
    return {
        "state": RUNNING,
        "owner": NOBODY,
        "lease_until": NEVER,
        "fence": 0,
        **asdict(Attempts()),
        "create_time": order.create_time,
        "order": order_document(order),
        "left_behind": [],
    }


def mine(claim: Claim) -> Document:
    """Select the claim's document as long as this claim is the last one, and is not over.

    The owner counts beside the fence: a store that was restored from a backup may give a fence
    again that some worker still has.
    """
    return {
        "_id": claim.order.conversion_id,
        "state": RUNNING,
        "fence": claim.fence,
        "owner": claim.owner,
    }


def is_recorded(stored: Document | None, claim: Claim) -> bool:
    """Tell whether this very claim's outcome is there."""
    return stored is not None and stored["state"] in FINISHED and stored["owner"] == claim.owner


def is_held(stored: Document | None, claim: Claim) -> bool:
    """Tell whether `mine` would select this document."""
    return stored is not None and all(
        stored.get(field) == value for field, value in mine(claim).items()
    )


def claim_of(stored: Document, order: Order) -> Claim:
    """Read a claim that somebody holds."""
    return Claim(
        order,
        fence=stored["fence"],
        owner=stored["owner"],
        attempts=Attempts(
            stored["engine_failures"],
            stored["losses"],
            stored["outages"],
            stored["shortages"],
            stored["losses_alone"],
        ),
        left_behind=frozenset(map(AudioId, stored["left_behind"])),
    )


def naming(audio_id: AudioId) -> Document:
    """Write the update that notes a name."""
    names = {"$each": [audio_id], "$slice": -REMEMBERED_NAMES}
    return {"$push": {"left_behind": names}}


def entry(event: Envelope, topic: str = wire.EVENTS_TOPIC) -> Document:
    """Write an event the way the outbox reads it."""
    return entry_document(topic, event)


def order_document(order: Order) -> Document:
    """Write an order; its options as version 0.1 did where they say no more than that knew."""
    document = asdict(order)
    if order.options.is_bit_rate_alone:
        del document["options"]
        return {**document, "bitrate_kbps": order.options.bitrate_kbps}
    return {**document, "bitrate_kbps": wire.SEE_OPTIONS}


def order_of(stored: Document) -> Order:
    """Read an order."""
    return Order(
        conversion_id=ConversionId(stored["conversion_id"]),
        video_id=VideoId(stored["video_id"]),
        size_bytes=stored["size_bytes"],
        sha256=stored["sha256"],
        create_time=stored["create_time"],
        options=options_of(stored),
        account_id=stored.get("account_id", ""),
        fence_floor=stored.get("fence_floor", 0),
    )


def due_order(stored: Document) -> DueOrder:
    """Read an order that is due, and whether it goes alone."""
    losses = stored.get("losses", 0) + bool(stored.get("owner", NOBODY))
    return DueOrder(order_of(stored["order"]), goes_alone=losses >= ALONE_AFTER)


def outcome_document(outcome: Outcome) -> Document:
    """Write an outcome and the state that goes with it; nobody holds the claim any longer."""
    state = SUCCEEDED if isinstance(outcome, Succeeded) else FAILED
    document = asdict(outcome)
    if isinstance(outcome, Succeeded):
        # Within `stored`, of which version 0.1 reads only what it knows; and which goes with the
        # outcome when a claim becomes a tombstone, whichever version sees to that.
        document["stored"]["about"] = {name: document.pop(name) for name in ABOUT}
    return {"state": state, "outcome": document, "lease_until": NEVER}


def outcome_of(stored: Document) -> Outcome | None:
    """Read the outcome; None if there is none."""
    outcome: Document = stored.get("outcome", {})
    match stored["state"]:
        case "SUCCEEDED":
            audio = outcome["stored"]
            kept = StoredAudio(AudioId(audio["audio_id"]), audio["size_bytes"], audio["sha256"])
            return Succeeded(**{**outcome, "stored": kept, **_about(audio.get("about", {}))})
        case "FAILED":
            return Failed(_reason(outcome["reason"]), outcome["message"], outcome["end_time"])
    return None


def _reason(name: str) -> FailureReason:
    """Read why; what only a newer worker has a name for is told with that worker's sentence."""
    known = name in FailureReason.__members__
    return FailureReason(name) if known else FailureReason.ENGINE_FAILED


def _about(stored: Document) -> Document:
    """Read what is told about the audio; version 0.1 told nothing."""
    measured = stored.get("loudness")
    return {
        "source": source_of(stored.get("source")),
        "loudness": None if measured is None else Measured(**measured),
        "is_copy": bool(stored.get("is_copy")),
    }
