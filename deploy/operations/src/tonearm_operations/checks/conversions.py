"""Compare each conversion with what the other stores hold of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from tonearm_chassis.mongo import Document, outages
from tonearm_operations import shapes
from tonearm_operations.findings import Finding, Kind
from tonearm_operations.stores import Scene, batches, by_id, inside, plain

STORE = "gateway.conversions"


@dataclass(frozen=True, slots=True)
class Case:
    """A conversion, and whatever else there is of it."""

    conversion: Document
    claim: Document | None
    delivery: Document | None
    video: Document | None
    entry: Document | None
    audio: Document | None
    workers_live: bool

    def finding(self, kind: Kind, detail: str) -> Finding:
        """Report this conversion."""
        return Finding(kind, STORE, plain(self.conversion["_id"]), detail)

    def is_over_for(self, scene: Scene) -> bool:
        """Tell whether it has been over for longer than the grace."""
        is_final = shapes.is_final(self.conversion)
        return is_final and scene.is_old(self.conversion.get("end_time"))


async def conversion_findings(scene: Scene) -> AsyncIterator[Finding]:
    """Walk over all conversions."""
    stores = scene.stores
    live = await _workers_live(scene)
    async for batch in batches(stores.conversions.find({}, shapes.CONVERSION_FIELDS)):
        ids = [each["_id"] for each in batch]
        videos = [inside(each, "video", "id") for each in batch]
        audios = [inside(each, "audio", "id") for each in batch]
        notices = [shapes.delivery_id(each) for each in batch]
        claims = await by_id(stores.claims, ids, shapes.CLAIM_FIELDS)
        deliveries = await by_id(stores.deliveries, notices, shapes.DELIVERY_FIELDS)
        files = await by_id(stores.videos["fs.files"], videos, {"length": 1})
        entries = await by_id(stores.ledger, videos, {"state": 1, "users": 1})
        mp3s = await by_id(stores.audio["fs.files"], audios, {"length": 1})
        for each, video, audio, notice in zip(batch, videos, audios, notices, strict=True):
            case = Case(
                conversion=each,
                claim=claims.get(plain(each["_id"])),
                delivery=deliveries.get(plain(notice)),
                video=files.get(plain(video)),
                entry=entries.get(plain(video)),
                audio=mp3s.get(plain(audio)),
                workers_live=live,
            )
            for judge in JUDGES:
                for finding in judge(case, scene):
                    yield finding


async def _workers_live(scene: Scene) -> bool:
    """Tell whether any claim was held or finished within the grace: then others merely wait."""
    since = {"$gt": scene.now - scene.grace}
    with outages():
        found = await scene.stores.claims.find_one(
            {"$or": [{"lease_until": since}, {"outcome.end_time": since}]}, {"_id": 1}
        )
    return found is not None


def _stuck(case: Case, scene: Scene) -> Iterator[Finding]:
    sign = case.conversion.get("sign_time")
    if shapes.is_final(case.conversion) or shapes.is_deleted(case.conversion):
        return
    if not scene.is_old(sign):
        return
    claim = case.claim
    if claim is None:
        yield case.finding(Kind.CONVERSION_STUCK, f"no claim, last sign of life {scene.age(sign)}")
    elif shapes.is_forgotten(claim):
        yield case.finding(Kind.CONVERSION_STUCK, "the converter was told to forget it")
    elif shapes.has_waited(claim, scene) and not case.workers_live:
        yield case.finding(
            Kind.CONVERSION_STUCK, f"nobody works at all, last sign of life {scene.age(sign)}"
        )


def _source(case: Case, scene: Scene) -> Iterator[Finding]:
    if shapes.is_overdue(
        case.conversion, scene, expires="video_expire_time", done="video_released"
    ):
        yield case.finding(Kind.VIDEO_UNDISCARDED, "its video should have been released")
    if shapes.is_final(case.conversion) or shapes.is_deleted(case.conversion):
        return
    video = plain(inside(case.conversion, "video", "id"))
    if case.video is None:
        yield case.finding(Kind.CONVERSION_VIDEO_MISSING, f"there is no video {video}")
    elif case.entry is None or case.conversion["_id"] not in (case.entry.get("users") or ()):
        detail = f"the ledger of videos does not know that it needs {video}"
        yield case.finding(Kind.CONVERSION_VIDEO_UNCLAIMED, detail)


def _audio(case: Case, scene: Scene) -> Iterator[Finding]:
    conversion = case.conversion
    audio = plain(inside(conversion, "audio", "id"))
    size = inside(conversion, "audio", "size_bytes")
    if shapes.has_audio(conversion, scene):
        if case.audio is None:
            yield case.finding(Kind.AUDIO_MISSING, f"there is no audio {audio}")
        elif case.audio.get("length") != size:
            detail = f"audio {audio} has {case.audio.get('length')} bytes, not {size}"
            yield case.finding(Kind.AUDIO_MISSING, detail)
    elif case.audio is not None and conversion.get("audio_expired"):
        yield case.finding(Kind.AUDIO_UNDISCARDED, f"audio {audio} is there, though it was deleted")
    elif shapes.is_overdue(conversion, scene, expires="audio_expire_time", done="audio_expired"):
        yield case.finding(Kind.AUDIO_UNDISCARDED, f"audio {audio} should have been deleted")


def _outcome(case: Case, scene: Scene) -> Iterator[Finding]:
    conversion, claim = case.conversion, case.claim
    if shapes.is_deleted(conversion):
        return
    if claim is None:
        if conversion.get("state") == "SUCCEEDED" and case.is_over_for(scene):
            yield case.finding(Kind.CLAIM_MISSING, "SUCCEEDED, and no claim says so")
        return
    if not shapes.is_final(conversion):
        ended = inside(claim, "outcome", "end_time")
        if claim.get("state") != "RUNNING" and scene.is_old(ended):
            detail = f"{conversion.get('state')}, but its claim is {claim.get('state')}"
            yield case.finding(Kind.OUTCOME_MISMATCH, detail)
    elif case.is_over_for(scene):
        if claim.get("state") == "RUNNING":
            detail = f"{conversion.get('state')}, and its claim still runs"
            yield case.finding(Kind.CLAIM_STILL_RUNNING, detail)
        elif difference := _difference(conversion, claim):
            yield case.finding(Kind.OUTCOME_MISMATCH, difference)


def _difference(conversion: Document, claim: Document) -> str:
    if conversion.get("state") != claim.get("state"):
        return f"{conversion.get('state')}, but its claim is {claim.get('state')}"
    told, stored = conversion.get("audio") or {}, inside(claim, "outcome", "stored") or {}
    for name, other in (("id", "audio_id"), ("size_bytes", "size_bytes"), ("sha256", "sha256")):
        if told.get(name) != stored.get(other):
            return f"its audio's {name} is {told.get(name)}, by its claim {stored.get(other)}"
    reasons = inside(conversion, "failure", "reason"), inside(claim, "outcome", "reason")
    return "" if reasons[0] == reasons[1] else f"failed for {reasons[0]}, by its claim {reasons[1]}"


def _notice(case: Case, scene: Scene) -> Iterator[Finding]:
    conversion, delivery = case.conversion, case.delivery
    state = conversion.get("state")
    if shapes.is_deleted(conversion):
        return
    if delivery is not None:
        if state != delivery.get("outcome"):
            detail = f"{state}, but its notice says {delivery.get('outcome')}"
            yield case.finding(Kind.NOTICE_MISMATCH, detail)
        elif _was_settled(delivery, scene) and not conversion.get("notified"):
            detail = f"its notice is {delivery.get('state')}, and the gateway does not know"
            yield case.finding(Kind.NOTICE_MISMATCH, detail)
    elif state in shapes.TOLD and case.is_over_for(scene):
        yield case.finding(Kind.NOTICE_MISSING, f"{state}, and there is no delivery")


def _confirmations(case: Case, scene: Scene) -> Iterator[Finding]:
    conversion, missing = case.conversion, shapes.unconfirmed(case.conversion)
    if not missing:
        return
    deleted = conversion.get("delete_time")
    detail = f"not by {' and '.join(missing)}"
    if deleted is not None:
        if scene.is_old(deleted):
            yield case.finding(Kind.DELETION_UNCONFIRMED, f"{detail}, {scene.age(deleted)}")
    elif case.is_over_for(scene):
        yield case.finding(Kind.CANCELLATION_UNCONFIRMED, detail)


def _was_settled(delivery: Document, scene: Scene) -> bool:
    return shapes.was_settled(delivery) and scene.is_old(delivery.get("settled_at"))


JUDGES: tuple[Callable[[Case, Scene], Iterator[Finding]], ...] = (
    _stuck, _source, _audio, _outcome, _notice, _confirmations,
)  # fmt: skip
